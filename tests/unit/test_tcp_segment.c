/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/tcp_segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct addr parse(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_from_str(text, &addr), 0);
	return addr;
}

/* As a receiver does it (RFC 1071): over everything, checksum included, the sum is all ones. */
static unsigned int sum(const uint8_t *bytes, size_t len, unsigned int start)
{
	unsigned int all = start;

	for (size_t i = 0; i < len; i++)
		all += i % 2 ? bytes[i] : (unsigned int)bytes[i] << 8;
	while (all >> 16)
		all = (all & 0xffff) + (all >> 16);
	return all;
}

static struct tcp_segment make(const char *source, const char *target, const char *text)
{
	return (struct tcp_segment){.source = parse(source),
				    .target = parse(target),
				    .source_port = 8080,
				    .target_port = 40000,
				    .seq = 0x01020304,
				    .ack = 0xfffefdfc,
				    .flags = SEGMENT_ACK | SEGMENT_PSH,
				    .urgent = 0x5357,
				    .data = text,
				    .len = strlen(text)};
}

static void check_tcp(const uint8_t *tcp, const char *text)
{
	static const uint8_t head[] = {0x1f, 0x90, 0x9c, 0x40, 1,    2,    3,    4,
				       0xff, 0xfe, 0xfd, 0xfc, 0x50, 0x18, 0xff, 0xff};

	assert_memory_equal(tcp, head, sizeof(head));
	assert_int_equal(tcp[18] << 8 | tcp[19], 0x5357);
	assert_memory_equal(tcp + 20, text, strlen(text));
}

static void test_ipv4(void **state)
{
	/* An odd length, too. */
	struct tcp_segment segment = make("10.244.0.10", "10.244.0.1", "hello");
	static uint8_t packet[SEGMENT_SIZE_MAX];
	size_t size = tcp_segment_write(&segment, packet);

	(void)state;
	assert_int_equal(size, 20 + 20 + 5);
	assert_int_equal(packet[0], 0x45);
	assert_int_equal(packet[2] << 8 | packet[3], size);
	assert_int_equal(packet[9], 6);
	assert_int_equal(sum(packet, 20, 0), 0xffff);
	assert_memory_equal(packet + 12, "\x0a\xf4\x00\x0a\x0a\xf4\x00\x01", 8);
	check_tcp(packet + 20, "hello");
	assert_int_equal(sum(packet + 20, 25, sum(packet + 12, 8, 6 + 25)), 0xffff);
}

static void test_ipv6(void **state)
{
	struct tcp_segment segment = make("fd00::a", "fd00::1", "hi");
	static uint8_t packet[SEGMENT_SIZE_MAX];
	size_t size = tcp_segment_write(&segment, packet);

	(void)state;
	assert_int_equal(size, 40 + 20 + 2);
	assert_int_equal(packet[0], 0x60);
	assert_int_equal(packet[4] << 8 | packet[5], 22);
	assert_int_equal(packet[6], 6);
	check_tcp(packet + 40, "hi");
	assert_int_equal(sum(packet + 40, 22, sum(packet + 8, 32, 6 + 22)), 0xffff);
}

static void test_syn_has_a_segment_size(void **state)
{
	struct tcp_segment segment = make("10.0.0.1", "10.0.0.2", "");
	static uint8_t packet[SEGMENT_SIZE_MAX];

	(void)state;
	segment.flags = SEGMENT_SYN | SEGMENT_ACK;
	segment.mss = 1400;
	assert_int_equal(tcp_segment_write(&segment, packet), 20 + 24);
	assert_int_equal(packet[20 + 12], 0x60);
	assert_memory_equal(packet + 40, "\x02\x04\x05\x78", 4);
	assert_int_equal(sum(packet + 20, 24, sum(packet + 12, 8, 6 + 24)), 0xffff);
}

static void test_the_largest(void **state)
{
	static uint8_t packet[SEGMENT_SIZE_MAX], data[SEGMENT_PAYLOAD_MAX];
	struct tcp_segment segment = make("fd00::a", "fd00::1", "");

	(void)state;
	memset(data, 0xff, sizeof(data));
	segment.data = data;
	segment.len = sizeof(data);
	assert_int_equal(tcp_segment_write(&segment, packet), 60 + sizeof(data));
	assert_int_equal(
		sum(packet + 40, 20 + sizeof(data), sum(packet + 8, 32, 6 + 20 + sizeof(data))),
		0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_syn_has_a_segment_size),
		cmocka_unit_test(test_the_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

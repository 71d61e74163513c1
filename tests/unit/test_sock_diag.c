/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "conns/sock_diag.h"
#include "swerve_abi.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum {
	REQUEST = 16 + 56,
	MESSAGE = 16 + 72,
	STORAGE = 4 + 4 + 8 + 4 + sizeof(struct sw_socket),
};

static struct sock_diag_target target(const char *addr, uint16_t port, uint32_t service)
{
	struct sock_diag_target ret = {.port = port, .service = service};

	assert_int_equal(addr_from_str(addr, &ret.addr), 0);
	return ret;
}

static const struct sock_diag_query *query(uint8_t family, uint8_t proto,
					   const struct sock_diag_target *targets, size_t count)
{
	static struct sock_diag_query ret;

	ret = (struct sock_diag_query){.family = family,
				       .proto = proto,
				       .sockets_fd = 5,
				       .targets = targets,
				       .count = count};
	return &ret;
}

/* What follows the fixed part of a request. */
static void assert_attributes(const struct sock_diag_query *q, const void *expected, size_t size)
{
	uint8_t request[SOCK_DIAG_QUERY_SIZE];
	uint32_t length;

	assert_int_equal(sock_diag_encode_query(q, request), REQUEST + size);
	memcpy(&length, request, sizeof(length));
	assert_int_equal(length, REQUEST + size);
	assert_memory_equal(request + REQUEST, expected, size);
}

#define STORAGE_OF_5    "\x0c\x00\x02\x80\x08\x00\x01\x00\x05\x00\x00\x00"
#define EXPECT(q, text) assert_attributes(q, text, sizeof(text) - 1)

static void test_fixed_part_of_a_query(void **state)
{
	static const uint8_t expected[REQUEST] = {
		128 - 24, 0, 0,    0,       20, 0, 1, 3,    0, 0, 0, 0, 0,
		0,        0, 0,    AF_INET, 6,  0, 0, 0x36, 1, 0, 0, /* ESTABLISHED, SYN_SENT, FIN_WAIT 1 2, CLOSE_WAIT */
		0,        0, 0x1f, 0x90,                             /* any source port, 8080 */
	};
	struct sock_diag_target one = target("10.244.0.10", 8080, 1);
	uint8_t request[SOCK_DIAG_QUERY_SIZE];

	(void)state;
	assert_int_equal(sock_diag_encode_query(query(AF_INET, 6, &one, 1), request), 104);
	assert_memory_equal(request, expected, sizeof(expected));
	assert_int_equal(sock_diag_encode_query(query(AF_INET, 17, &one, 1), request), 104);
	assert_int_equal(request[20], 2); /* connected */
	assert_int_equal(request[21], 0);
}

static void test_bytecode_of_one_target(void **state)
{
	struct sock_diag_target v4 = target("10.244.0.10", 8080, 1);
	struct sock_diag_target v6 = target("fd00::a", 443, 1);

	(void)state;
	/* As ss has it: code, yes, no; family, prefix, port, address; "no" is 4 behind the end. */
	EXPECT(query(AF_INET, 6, &v4, 1),
	       "\x14\x00\x01\x00"
	       "\x08\x10\x14\x00"
	       "\x02\x20\x00\x00\x90\x1f\x00\x00\x0a\xf4\x00\x0a" STORAGE_OF_5);
	EXPECT(query(AF_INET6, 6, &v6, 1), "\x20\x00\x01\x00"
					   "\x08\x1c\x20\x00"
					   "\x0a\x80\x00\x00\xbb\x01\x00\x00"
					   "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a" STORAGE_OF_5);
}

static void test_bytecode_of_several_targets(void **state)
{
	struct sock_diag_target targets[] = {target("10.0.0.1", 80, 1), target("fd00::a", 80, 1),
					     target("10.0.0.2", 81, 1)};

	(void)state;
	EXPECT(query(AF_INET6, 6, targets, 3),
	       "\x48\x00\x01\x00"
	       "\x08\x10\x14\x00" /* no: behind the jump */
	       "\x02\x20\x00\x00\x50\x00\x00\x00\x0a\x00\x00\x01"
	       "\x01\x04\x34\x00" /* jump to the end: 4 + 28 + 4 + 16 */
	       "\x08\x1c\x20\x00"
	       "\x0a\x80\x00\x00\x50\x00\x00\x00"
	       "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a"
	       "\x01\x04\x14\x00"
	       "\x08\x10\x14\x00"
	       "\x02\x20\x00\x00\x51\x00\x00\x00\x0a\x00\x00\x02" STORAGE_OF_5);
	/* An IPv4 socket has no IPv6 peer. */
	EXPECT(query(AF_INET, 6, targets, 2),
	       "\x14\x00\x01\x00"
	       "\x08\x10\x14\x00"
	       "\x02\x20\x00\x00\x50\x00\x00\x00\x0a\x00\x00\x01" STORAGE_OF_5);
}

static void test_query_without_a_target_of_the_family_is_none(void **state)
{
	struct sock_diag_target v6 = target("fd00::a", 443, 1);
	uint8_t request[SOCK_DIAG_QUERY_SIZE];

	(void)state;
	assert_int_equal(sock_diag_encode_query(query(AF_INET, 6, &v6, 1), request), 0);
}

static void test_ports_that_differ_are_left_to_the_bytecode(void **state)
{
	struct sock_diag_target targets[] = {target("10.0.0.1", 80, 1), target("10.0.0.1", 81, 1)};
	uint8_t request[SOCK_DIAG_QUERY_SIZE];

	(void)state;
	sock_diag_encode_query(query(AF_INET, 6, targets, 2), request);
	assert_memory_equal(request + 24, "\0\0\0\0", 4);
}

static void test_largest_query_fits(void **state)
{
	struct sock_diag_target targets[SOCK_DIAG_MAX_TARGETS];
	uint8_t *request = malloc(SOCK_DIAG_QUERY_SIZE); /* with SAN=1, an overflow shows */

	(void)state;
	assert_non_null(request);
	for (size_t i = 0; i < SOCK_DIAG_MAX_TARGETS; i++)
		targets[i] = target("fd00::a", 443, 1);
	assert_int_equal(
		sock_diag_encode_query(query(AF_INET6, 6, targets, SOCK_DIAG_MAX_TARGETS), request),
		REQUEST + 4 + 32 * SOCK_DIAG_MAX_TARGETS - 4 + 12);
	free(request);
}

static void test_destroy(void **state)
{
	struct sock_diag_socket socket = {
		.family = AF_INET, .proto = 6, .id = {.idiag_cookie = {0x11, 0x22}}};
	uint8_t request[SOCK_DIAG_DESTROY_SIZE];

	(void)state;
	sock_diag_encode_destroy(&socket, 3, request);
	assert_memory_equal(request,
			    "\x48\0\0\0\x15\0\x01\0\x03\0\0\0\0\0\0\0\x02\x06\0\0\xff\xff\xff\xff",
			    24);
	assert_memory_equal(request + 16 + 48, "\x11\0\0\0\x22\0\0\0", 8);
}

/* One message of an answer, with the storage of a socket. */
struct answer {
	struct nlmsghdr header;
	struct inet_diag_msg message;
	struct nlattr other;
	uint8_t other_value[4];
	struct nlattr outer, inner, map_id;
	uint32_t id;
	struct nlattr map_value;
	struct sw_socket storage;
};
_Static_assert(sizeof(struct answer) == MESSAGE + 8 + STORAGE, "packed as netlink has it");

static struct answer answer(const struct sock_diag_target *peer, uint8_t family)
{
	bool v4 = family == AF_INET;
	struct answer ret = {
		.header = {.nlmsg_len = sizeof(ret), .nlmsg_type = SOCK_DIAG_BY_FAMILY},
		.message = {.idiag_family = family,
			    .idiag_inode = 77,
			    .id = {.idiag_dport = htons(peer->port), .idiag_cookie = {1, 2}}},
		.other = {8, INET_DIAG_SHUTDOWN},
		.outer = {STORAGE, INET_DIAG_SK_BPF_STORAGES},
		.inner = {STORAGE - 4, SK_DIAG_BPF_STORAGE},
		.map_id = {8, SK_DIAG_BPF_STORAGE_MAP_ID},
		.map_value = {4 + sizeof(struct sw_socket), SK_DIAG_BPF_STORAGE_MAP_VALUE},
		.storage = {.backend_port = peer->port, .service = peer->service},
	};

	memcpy(ret.message.id.idiag_dst, peer->addr.bytes + (v4 ? 12 : 0), v4 ? 4 : 16);
	memcpy(ret.storage.backend_addr.bytes, peer->addr.bytes, 16);
	return ret;
}

/* Returns how many sockets were found. */
static size_t parse(const struct sock_diag_query *q, const struct answer *answer)
{
	struct sock_diag_sockets found = {};
	size_t len;

	assert_int_equal(sock_diag_parse(q, answer, sizeof(*answer), &found), 1);
	len = found.len;
	vec_done(&found);
	return len;
}

static void test_socket_of_the_target_is_found(void **state)
{
	struct sock_diag_target targets[] = {target("10.0.0.1", 80, 7), target("10.0.0.2", 80, 7)};
	const uint8_t families[] = {AF_INET, AF_INET6};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct sock_diag_query *q = query(families[i], 6, targets, 2);
		struct answer ours = answer(&targets[1], families[i]);
		struct sock_diag_sockets found = {};

		assert_int_equal(sock_diag_parse(q, &ours, sizeof(ours), &found), 1);
		assert_int_equal(found.len, 1);
		assert_int_equal(found.items[0].target, 1);
		assert_int_equal(found.items[0].family, families[i]);
		assert_int_equal(found.items[0].proto, 6);
		assert_memory_equal(&found.items[0].id, &ours.message.id, sizeof(ours.message.id));
		vec_done(&found);
	}
}

static void test_other_sockets_are_not(void **state)
{
	struct sock_diag_target t = target("10.0.0.1", 80, 7);
	const struct sock_diag_query *q = query(AF_INET, 6, &t, 1);
	const struct answer ours = answer(&t, AF_INET);
	struct answer a = ours;

	(void)state;
	a.storage.service = 8;
	assert_int_equal(parse(q, &a), 0);
	a = ours;
	a.storage.backend_port = 81;
	assert_int_equal(parse(q, &a), 0);
	a = ours;
	a.storage.backend_addr.bytes[15] = 2;
	assert_int_equal(parse(q, &a), 0);
	a = ours; /* connected elsewhere since */
	a.message.id.idiag_dst[0] = htonl(0x0a000002);
	assert_int_equal(parse(q, &a), 0);
	a = ours;
	a.message.id.idiag_dport = htons(81);
	assert_int_equal(parse(q, &a), 0);
	a = ours; /* nobody has it open */
	a.message.idiag_inode = 0;
	assert_int_equal(parse(q, &a), 0);
	a = ours; /* no storage */
	a.outer.nla_type = INET_DIAG_CLASS_ID;
	assert_int_equal(parse(q, &a), 0);
	a = ours; /* of another size than ours */
	a.map_value.nla_len -= 4;
	assert_int_equal(parse(q, &a), 0);
	assert_int_equal(parse(q, &ours), 1);
}

/* What a job asks for, what rescue works on, and what its owner will not use again. */
static void test_flags_of_sockets(void **state)
{
	struct sock_diag_target t = target("10.0.0.1", 80, 7);
	const struct sock_diag_query *q = query(AF_INET, 6, &t, 1);
	struct answer a = answer(&t, AF_INET);

	(void)state;
	a.storage.flags = SW_SOCKET_OPEN | SW_SOCKET_TAKEN;
	assert_int_equal(parse(q, &a), 0);
	a.storage.flags = SW_SOCKET_OPEN;
	a.message.idiag_state = TCP_CLOSE_WAIT;
	assert_int_equal(parse(q, &a), 1);

	t.flags = SW_SOCKET_BAD;
	a.message.idiag_state = TCP_ESTABLISHED;
	assert_int_equal(parse(q, &a), 0);
	a.storage.flags |= SW_SOCKET_BAD;
	assert_int_equal(parse(q, &a), 1);
	a.message.idiag_state = TCP_CLOSE_WAIT;
	assert_int_equal(parse(q, &a), 0);
	a.message.idiag_state = TCP_ESTABLISHED;
	a.storage.flags |= SW_SOCKET_TAKEN;
	assert_int_equal(parse(q, &a), 0);
}

static void test_udp_sockets_are_found_without_a_target(void **state)
{
	struct sock_diag_target t = target("10.0.0.1", 80, 7);
	const struct sock_diag_query *q = query(AF_INET, 17, &t, 1);
	struct answer a = answer(&t, AF_INET);
	struct sock_diag_sockets found = {};

	(void)state;
	a.header.nlmsg_len = MESSAGE;
	assert_int_equal(sock_diag_parse(q, &a, MESSAGE, &found), 1);
	assert_int_equal(found.len, 1);
	assert_int_equal(found.items[0].target, SOCK_DIAG_NO_TARGET);
	assert_int_equal(found.items[0].inode, 77);
	assert_true(sock_diag_match(q, &found.items[0], &a.storage));
	assert_int_equal(found.items[0].target, 0);
	vec_done(&found);
}

static int parse_end(uint16_t type, int32_t error, uint32_t length, size_t size)
{
	struct {
		struct nlmsghdr header;
		int32_t error;
	} end = {{.nlmsg_len = length, .nlmsg_type = type}, error};
	struct sock_diag_target t = target("10.0.0.1", 80, 7);
	struct sock_diag_sockets found = {};
	int r = sock_diag_parse(query(AF_INET, 6, &t, 1), &end, size, &found);

	assert_int_equal(found.len, 0);
	return r;
}

static void test_ends_and_errors(void **state)
{
	(void)state;
	assert_int_equal(parse_end(NLMSG_DONE, 0, 20, 20), 0);
	assert_int_equal(parse_end(NLMSG_DONE, 0, 16, 16), 0);
	assert_int_equal(parse_end(NLMSG_DONE, -ENOMEM, 20, 20), -ENOMEM);
	assert_int_equal(parse_end(NLMSG_ERROR, -EPERM, 20, 20), -EPERM);
	assert_int_equal(parse_end(NLMSG_ERROR, 0, 16, 16), -EBADMSG);
	assert_int_equal(parse_end(NLMSG_ERROR, 5, 20, 20), -EBADMSG);
	assert_int_equal(parse_end(NLMSG_ERROR, INT32_MIN, 20, 20), -EBADMSG);
	assert_int_equal(parse_end(SOCK_DIAG_BY_FAMILY, 0, 20, 20), -EBADMSG);
	assert_int_equal(parse_end(NLMSG_DONE, 0, 21, 20), -EBADMSG);
	assert_int_equal(parse_end(NLMSG_DONE, 0, 15, 20), -EBADMSG);
	assert_int_equal(parse_end(NLMSG_DONE, 0, UINT32_MAX, 20), -EBADMSG);
	assert_int_equal(parse_end(NLMSG_DONE, 0, 20, 15), -EBADMSG);
	assert_int_equal(parse_end(NLMSG_NOOP, 0, 20, 20), 1);
	assert_int_equal(parse_end(NLMSG_NOOP, 0, 20, 0), 1);
}

static void test_errors_of_destroy(void **state)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} errors[4];
	const int codes[] = {-ENOENT, -ESTALE, -EPERM, -EOPNOTSUPP};
	size_t refused = 0;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		memset(&errors[i], 0, sizeof(errors[i]));
		errors[i].header.nlmsg_len = sizeof(errors[i]);
		errors[i].header.nlmsg_type = NLMSG_ERROR;
		errors[i].error.error = codes[i];
	}
	assert_int_equal(sock_diag_parse_errors(errors, 2 * sizeof(errors[0]), &refused), 0);
	assert_int_equal(refused, 2);
	assert_int_equal(sock_diag_parse_errors(errors, sizeof(errors), &refused), -EPERM);
	assert_int_equal(refused, 6);
	assert_int_equal(sock_diag_parse_errors(errors, 17, &refused), -EBADMSG);
}

/* Cut anywhere, with any byte changed: no read beyond the end (SAN=1 sees it), no endless loop. */
static void test_hostile_answers(void **state)
{
	struct sock_diag_target t = target("10.0.0.1", 80, 7);
	const struct sock_diag_query *q = query(AF_INET, 6, &t, 1);
	const struct answer ours = answer(&t, AF_INET);
	const uint8_t values[] = {0, 1, 3, 4, 5, 0x7f, 0x80, 0xff};

	(void)state;
	for (size_t size = 0; size <= sizeof(ours); size++) {
		for (size_t at = 0; at < size; at++) {
			for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
				struct sock_diag_sockets found = {};
				uint8_t *copy = malloc(size);
				size_t refused = 0;
				int r;

				assert_non_null(copy);
				memcpy(copy, &ours, size);
				copy[0] = (uint8_t)size;
				copy[at] = values[i];
				r = sock_diag_parse(q, copy, size, &found);
				assert_true(r == 0 || r == 1 || (r < 0 && r >= -4095));
				assert_true(found.len <= 1);
				sock_diag_parse_errors(copy, size, &refused);
				vec_done(&found);
				free(copy);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed_part_of_a_query),
		cmocka_unit_test(test_bytecode_of_one_target),
		cmocka_unit_test(test_bytecode_of_several_targets),
		cmocka_unit_test(test_query_without_a_target_of_the_family_is_none),
		cmocka_unit_test(test_ports_that_differ_are_left_to_the_bytecode),
		cmocka_unit_test(test_largest_query_fits),
		cmocka_unit_test(test_destroy),
		cmocka_unit_test(test_socket_of_the_target_is_found),
		cmocka_unit_test(test_other_sockets_are_not),
		cmocka_unit_test(test_flags_of_sockets),
		cmocka_unit_test(test_udp_sockets_are_found_without_a_target),
		cmocka_unit_test(test_ends_and_errors),
		cmocka_unit_test(test_errors_of_destroy),
		cmocka_unit_test(test_hostile_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

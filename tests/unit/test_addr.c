/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"
#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_text_round_trip(void **state)
{
	static const struct {
		const char *text, *expected, *with_port;
		bool v4;
	} rows[] = {
		{"10.0.0.1", "10.0.0.1", "10.0.0.1:80", true},
		{"255.255.255.255", "255.255.255.255", "255.255.255.255:80", true},
		{"010.096.000.0031", "10.96.0.31", "10.96.0.31:80", true},
		{"::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1:80", true},
		{"::ffff:0a00:0001", "10.0.0.1", "10.0.0.1:80", true},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1", "[2001:db8::1]:80", false},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:80",
		 false},
		{"::", "::", "[::]:80", false},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80", false},
	};
	char buf[ADDR_PORT_STR_SIZE];
	struct addr addr;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(addr_from_str(rows[i].text, &addr), 0);
		assert_string_equal(addr_to_str(&addr, buf), rows[i].expected);
		assert_string_equal(addr_port_to_str(&addr, 80, buf), rows[i].with_port);
		assert_int_equal(addr_is_v4(&addr), rows[i].v4);
	}
}

static void test_longest_text_fits(void **state)
{
	char buf[ADDR_PORT_STR_SIZE];
	struct addr addr;

	(void)state;
	memset(&addr, 0xff, sizeof(addr));
	addr_port_to_str(&addr, 65535, buf);
	assert_string_equal(buf, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void test_text_refused(void **state)
{
	static const char *const texts[] = {
		"",          "10.0.0",    "10.0.0.1.2",  "0010.0.0.256",  "10.0.0.256",
		" 10.0.0.1", "10.0.0.1 ", "10.0.0.1:80", "[2001:db8::1]", "fe80::1%eth0",
		"1::2::3",   "10..0.1",   "0x0a000001",  "167772161",     "10.0.0.0/8",
		":::",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct addr addr, before;

		memset(&addr, 0x5a, sizeof(addr));
		before = addr;
		assert_int_equal(addr_from_str(texts[i], &addr), -EINVAL);
		assert_true(addr_equal(&addr, &before));
	}
}

static void test_unusable(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"0.0.0.0", "unspecified"},
		{"0.0.0.1", NULL},
		{"127.0.0.1", "loopback"},
		{"127.255.0.1", "loopback"},
		{"128.0.0.1", NULL},
		{"169.254.1.1", "link-local"},
		{"169.253.255.255", NULL},
		{"224.0.0.1", "multicast"},
		{"239.255.255.255", "multicast"},
		{"240.0.0.1", NULL},
		{"10.96.0.1", NULL},
		{"::", "unspecified"},
		{"::1", "loopback"},
		{"::2", NULL},
		{"::ffff:127.0.0.1", "loopback"},
		{"fe80::1", "link-local"},
		{"febf::1", "link-local"},
		{"fec0::1", NULL},
		{"ff02::1", "multicast"},
		{"fd00::1", NULL},
	};
	struct addr addr;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *word;

		assert_int_equal(addr_from_str(rows[i].text, &addr), 0);
		word = addr_unusable(&addr);
		if (rows[i].expected)
			assert_string_equal(word ? word : "usable", rows[i].expected);
		else
			assert_null(word);
	}
}

static void test_equal(void **state)
{
	struct addr a, b;

	(void)state;
	assert_int_equal(addr_from_str("10.0.0.1", &a), 0);
	assert_int_equal(addr_from_str("::ffff:10.0.0.1", &b), 0);
	assert_true(addr_equal(&a, &b));
	assert_int_equal(addr_from_str("::10.0.0.1", &b), 0);
	assert_false(addr_equal(&a, &b));
	assert_false(addr_is_v4(&b));
}

static void test_sockaddr(void **state)
{
	struct sockaddr_storage sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&sa;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&sa;
	struct addr addr;

	(void)state;
	assert_int_equal(addr_from_str("10.1.2.3", &addr), 0);
	assert_int_equal(addr_to_sockaddr(&addr, 8080, &sa), sizeof(*v4));
	assert_int_equal(v4->sin_family, AF_INET);
	assert_int_equal(ntohs(v4->sin_port), 8080);
	assert_int_equal(ntohl(v4->sin_addr.s_addr), 0x0a010203);

	assert_int_equal(addr_from_str("2001:db8::1", &addr), 0);
	assert_int_equal(addr_to_sockaddr(&addr, 443, &sa), sizeof(*v6));
	assert_int_equal(v6->sin6_family, AF_INET6);
	assert_int_equal(ntohs(v6->sin6_port), 443);
	assert_memory_equal(&v6->sin6_addr, addr.bytes, sizeof(addr.bytes));
	assert_int_equal(v6->sin6_scope_id, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_round_trip), cmocka_unit_test(test_longest_text_fits),
		cmocka_unit_test(test_text_refused),    cmocka_unit_test(test_unusable),
		cmocka_unit_test(test_equal),           cmocka_unit_test(test_sockaddr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

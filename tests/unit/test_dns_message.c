/* SPDX-License-Identifier: Apache-2.0 */
#include "health/dns_message.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_query(void **state)
{
	static const uint8_t expected[] = {0x12, 0x34, 0, 0,   0,   1,   0, 0, 0, 0, 0, 0,
					   1,    'a',  3, 'b', '-', 'c', 0, 0, 1, 0, 1};
	uint8_t query[DNS_QUERY_SIZE];

	(void)state;
	assert_int_equal(dns_query("a.b-c", 0x1234, query), sizeof(expected));
	assert_memory_equal(query, expected, sizeof(expected));
	assert_int_equal(dns_query("a.b-c.", 0x1234, query), sizeof(expected));
	assert_memory_equal(query, expected, sizeof(expected));
}

static void test_names(void **state)
{
	static const char *const odd[] = {"", ".", "a..b", ".a"};
	uint8_t query[DNS_QUERY_SIZE];
	char name[DNS_NAME_MAX + 2] = {};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_int_equal(dns_query(odd[i], 1, query), -EINVAL);
	memset(name, 'a', 64);
	assert_int_equal(dns_query(name, 1, query), -EINVAL);
	for (int i = 0; i < DNS_NAME_MAX; i++)
		name[i] = i % 64 == 63 ? '.' : 'a';
	assert_int_equal(dns_query(name, 1, query), DNS_QUERY_SIZE);
	name[DNS_NAME_MAX] = 'a';
	assert_int_equal(dns_query(name, 1, query), -EINVAL);
}

static void test_answers(void **state)
{
	uint8_t message[DNS_HEADER_SIZE] = {0x12, 0x34, 0x80};
	int rcode = -1;

	(void)state;
	for (uint8_t i = 0; i < 16; i++) {
		message[3] = 0x80 | i; /* with the bit for recursion */
		assert_int_equal(dns_judge(message, sizeof(message), 0x1234, &rcode),
				 i == 2 ? DNS_SERVFAIL : DNS_ALIVE);
		assert_int_equal(rcode, i);
	}
	assert_int_equal(dns_judge(message, sizeof(message), 0x1235, &rcode), DNS_OTHER);
	assert_int_equal(dns_judge(message, sizeof(message) - 1, 0x1234, &rcode), DNS_OTHER);
	message[2] = 0; /* a query */
	assert_int_equal(dns_judge(message, sizeof(message), 0x1234, &rcode), DNS_OTHER);
	assert_string_equal(dns_rcode_to_str(0), "NOERROR");
	assert_string_equal(dns_rcode_to_str(3), "NXDOMAIN");
	assert_string_equal(dns_rcode_to_str(6), "RCODE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

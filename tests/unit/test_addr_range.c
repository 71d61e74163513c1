/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr_range.h"
#include "base/cleanup.h"

#include <errno.h>

static const struct {
	const char *range;
	const char *addr;
	bool has;
} rows[] = {
	{"10.0.0.0/8", "10.255.0.1", true},
	{"10.0.0.0/8", "11.0.0.0", false},
	{"10.1.2.3/8", "10.9.9.9", true},
	{"10.1.2.0/23", "10.1.3.255", true},
	{"10.1.2.0/23", "10.1.4.0", false},
	{"10.1.2.3/32", "10.1.2.3", true},
	{"10.1.2.3/32", "10.1.2.2", false},
	{"010.001.000.000/16", "10.1.255.1", true},
	{"0.0.0.0/0", "203.0.113.1", true},
	{"0.0.0.0/0", "fd00::1", false},
	{"::/0", "fd00::1", true},
	{"::/0", "10.0.0.1", false},
	{"fd00:10::/33", "fd00:10:7fff::1", true},
	{"fd00:10::/33", "fd00:10:8000::1", false},
	{"fd00::1/128", "fd00::1", true},
};

static void test_has(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr_range range;
		struct addr addr;

		assert_int_equal(addr_range_from_str(rows[i].range, &range), 0);
		assert_int_equal(addr_from_str(rows[i].addr, &addr), 0);
		if (addr_range_has(&range, &addr) != rows[i].has)
			fail_msg("%s %s", rows[i].range, rows[i].addr);
	}
}

static void test_what_is_no_range(void **state)
{
	static const char *const texts[] = {
		"",
		"/",
		"10.0.0.0",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/ 8",
		"10.0.0.0/8x",
		"fd00::/129",
		"10.0.0/8",
		"/8",
		"fd00::/1000",
		"10.0.0.0/8/",
		"here/8",
	};
	struct addr_range range = {.prefix = 7};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (addr_range_from_str(texts[i], &range) != -EINVAL)
			fail_msg("%s", texts[i]);
	}
	assert_int_equal(range.prefix, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_what_is_no_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

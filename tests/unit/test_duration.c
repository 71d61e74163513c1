/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/duration.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE (60 * NSEC_PER_SEC)
#define HOUR   (60 * MINUTE)

static void test_parses_what_go_parses(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} rows[] = {
		{"0", 0},
		{"0s", 0},
		{"100ms", 100 * NSEC_PER_MSEC},
		{"1.5s", 1500 * NSEC_PER_MSEC},
		{"1m30s", 90 * NSEC_PER_SEC},
		{"30s1m", 90 * NSEC_PER_SEC},
		{"1h15m30.918273645s", HOUR + 15 * MINUTE + 30918273645ULL},
		{".5s", 500 * NSEC_PER_MSEC},
		{"5.s", 5 * NSEC_PER_SEC},
		{"12us", 12 * NSEC_PER_USEC},
		{"12\xc2\xb5s", 12 * NSEC_PER_USEC},
		{"12\xce\xbcs", 12 * NSEC_PER_USEC},
		{"7ns", 7},
		{"0.9ns", 0},
		{"007s", 7 * NSEC_PER_SEC},
		{"0.3333333333333333333h", 20 * MINUTE},
		{"0.100000000000000000000000h", 6 * MINUTE},
		{"9223372036854775807ns", INT64_MAX},
		{"9223372036s854775807ns", INT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t ns = UINT64_MAX;

		assert_int_equal(duration_from_str(rows[i].text, &ns), 0);
		assert_int_equal(ns, rows[i].ns);
	}
}

static void test_refuses(void **state)
{
	static const struct {
		const char *text;
		int error;
	} rows[] = {
		{"", -EINVAL},
		{"00", -EINVAL},
		{"3", -EINVAL},
		{"-5s", -EINVAL},
		{"+5s", -EINVAL},
		{"s", -EINVAL},
		{".", -EINVAL},
		{".s", -EINVAL},
		{"1.5", -EINVAL},
		{"1 s", -EINVAL},
		{" 1s", -EINVAL},
		{"1s ", -EINVAL},
		{"1S", -EINVAL},
		{"1d", -EINVAL},
		{"1sec", -EINVAL},
		{"1e3s", -EINVAL},
		{"1..5s", -EINVAL},
		{"1m30", -EINVAL},
		{"1\xc2s", -EINVAL},
		{"0x10s", -EINVAL},
		{"9223372036854775808ns", -ERANGE},
		{"2562048h", -ERANGE},
		{"9223372036s854775808ns", -ERANGE},
		{"99999999999999999999s", -ERANGE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t ns = 4711;

		assert_int_equal(duration_from_str(rows[i].text, &ns), rows[i].error);
		assert_int_equal(ns, 4711);
	}
}

static void test_writes_shortest_exact_form(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{0, "0s"},
		{1, "1ns"},
		{999, "999ns"},
		{1500, "1.5us"},
		{100 * NSEC_PER_MSEC, "100ms"},
		{1500 * NSEC_PER_MSEC, "1.5s"},
		{NSEC_PER_SEC, "1s"},
		{1234567890, "1.23456789s"},
		{MINUTE, "1m"},
		{90 * NSEC_PER_SEC, "90s"},
		{100 * NSEC_PER_SEC, "100s"},
		{90 * MINUTE, "90m"},
		{HOUR, "1h"},
		{24 * HOUR, "24h"},
		{HOUR + 1, "3600.000000001s"},
		{UINT64_MAX, "18446744073.709551615s"},
	};
	char buf[DURATION_STR_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(duration_to_str(rows[i].ns, buf), rows[i].text);
}

static void test_what_is_written_is_read_back(void **state)
{
	char buf[DURATION_STR_SIZE];
	uint64_t ns;

	(void)state;
	for (uint64_t i = 1; i < 1ULL << 50; i = i * 7 / 3 + 1) {
		assert_int_equal(duration_from_str(duration_to_str(i, buf), &ns), 0);
		assert_int_equal(ns, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parses_what_go_parses),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_writes_shortest_exact_form),
		cmocka_unit_test(test_what_is_written_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

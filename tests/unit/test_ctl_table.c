/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_age.h"
#include "ctl/ctl_table.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The caller frees it. */
static char *print(const struct ctl_table *table)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(ctl_table_print(table, out), 0);
	fclose(out);
	return text;
}

static void test_columns_are_aligned(void **state)
{
	static const char *const headers[] = {"NAME", "N", "REASON"};
	_cleanup_(ctl_table_done) struct ctl_table table;
	_cleanup_free_ char *text = NULL;

	(void)state;
	ctl_table_init(&table, headers, ARRAY_SIZE(headers));
	ctl_table_cell(&table, "%s", "default/web:80/TCP");
	ctl_table_cell(&table, "%d", 12345);
	ctl_table_cell(&table, "%s", "HTTP 500");
	ctl_table_cell(&table, "%s", "b");
	ctl_table_cell(&table, "%d", 1);
	ctl_table_cell(&table, "%s", "");
	text = print(&table);
	assert_string_equal(text, "NAME                 N       REASON\n"
				  "default/web:80/TCP   12345   HTTP 500\n"
				  "b                    1       -\n");
}

static void test_width_is_of_characters(void **state)
{
	_cleanup_(ctl_table_done) struct ctl_table table;
	_cleanup_free_ char *text = NULL;

	(void)state;
	ctl_table_init(&table, NULL, 2);
	ctl_table_cell(&table, "\xc3\xa4\xc3\xb6");
	ctl_table_cell(&table, "x");
	ctl_table_cell(&table, "abc");
	ctl_table_cell(&table, "y");
	text = print(&table);
	assert_string_equal(text, "\xc3\xa4\xc3\xb6    x\nabc   y\n");
}

static void test_control_characters(void **state)
{
	_cleanup_(ctl_table_done) struct ctl_table table;
	_cleanup_free_ char *text = NULL;

	(void)state;
	ctl_table_init(&table, NULL, 1);
	ctl_table_cell(&table, "a\x1b[2Jb\nc\x7f");
	text = print(&table);
	assert_string_equal(text, "a?[2Jb?c?\n");
}

static void test_no_rows(void **state)
{
	static const char *const headers[] = {"A", "LONGER"};
	_cleanup_(ctl_table_done) struct ctl_table table;
	_cleanup_free_ char *text = NULL;

	(void)state;
	ctl_table_init(&table, headers, 2);
	text = print(&table);
	assert_string_equal(text, "A   LONGER\n");
}

static void test_age(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} rows[] = {
		{-1, "-"},       {0, "0.0s"},     {0.37, "0.3s"}, {9.99, "9.9s"},  {10, "10s"},
		{119.5, "119s"}, {120, "2m0s"},   {599, "9m59s"}, {600, "10m"},    {10799, "179m"},
		{10800, "3h"},   {172799, "47h"}, {172800, "2d"}, {1e9, "11574d"},
	};
	char buf[CTL_AGE_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(ctl_age_to_str(rows[i].seconds, buf), rows[i].text);
	assert_string_equal(ctl_age_ago(3, buf), "3.0s ago");
	assert_string_equal(ctl_age_ago(-1, buf), "never");
	assert_string_equal(ctl_age_latency(0.000354, buf), "0.35ms");
	assert_string_equal(ctl_age_latency(0.25, buf), "250ms");
	assert_string_equal(ctl_age_latency(-1, buf), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_aligned),
		cmocka_unit_test(test_width_is_of_characters),
		cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_no_rows),
		cmocka_unit_test(test_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/duration.h"
#include "base/histogram.h"

static void test_bounds(void **state)
{
	(void)state;
	assert_int_equal(histogram_bound(0), 10 * NSEC_PER_USEC);
	assert_int_equal(histogram_bound(1), 20 * NSEC_PER_USEC);
	assert_int_equal(histogram_bound(2), 50 * NSEC_PER_USEC);
	assert_int_equal(histogram_bound(6), NSEC_PER_MSEC);
	assert_int_equal(histogram_bound(HISTOGRAM_STEPS - 1), 10 * NSEC_PER_SEC);
}

static void test_each_value_counts_once(void **state)
{
	struct histogram histogram = {};

	(void)state;
	histogram_add(&histogram, 0);
	histogram_add(&histogram, 10 * NSEC_PER_USEC);
	histogram_add(&histogram, 10 * NSEC_PER_USEC + 1);
	histogram_add(&histogram, NSEC_PER_MSEC);
	histogram_add(&histogram, 60 * NSEC_PER_SEC);
	assert_int_equal(histogram.counts[0], 2);
	assert_int_equal(histogram.counts[1], 1);
	assert_int_equal(histogram.counts[6], 1);
	assert_int_equal(histogram.counts[HISTOGRAM_STEPS], 1);
	assert_int_equal(histogram_count(&histogram), 5);
	assert_int_equal(histogram.sum, 20 * NSEC_PER_USEC + 1 + NSEC_PER_MSEC + 60 * NSEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_each_value_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

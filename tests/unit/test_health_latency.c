/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_latency.h"

#include "base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS NSEC_PER_MSEC

static struct probe_spec spec_of(enum probe_kind kind)
{
	return (struct probe_spec){
		.kind = kind, .interval = 100 * MS, .fast = 20 * MS, .timeout = 500 * MS};
}

static void add(struct health_latency *latency, unsigned int count, uint64_t ns)
{
	while (count--)
		health_latency_add(latency, ns);
}

static uint64_t timeout(const struct health_latency *latency)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);

	return health_latency_timeout(latency, &spec, 50 * MS);
}

static void test_nobody_is_fast_before_8_successes(void **arg)
{
	struct health_latency latency = {};

	(void)arg;
	assert_int_equal(timeout(&latency), 500 * MS);
	add(&latency, 7, 1 * MS);
	assert_true(health_latency_is_young(&latency));
	assert_int_equal(timeout(&latency), 500 * MS);
	add(&latency, 1, 1 * MS);
	assert_false(health_latency_is_young(&latency));
	assert_int_equal(timeout(&latency), 75 * MS);
	add(&latency, 23, 1 * MS);
	assert_false(health_latency_is_known(&latency));
	assert_int_equal(timeout(&latency), 75 * MS);
	add(&latency, 1, 1 * MS);
	assert_true(health_latency_is_known(&latency));
	assert_int_equal(timeout(&latency), 50 * MS);
	add(&latency, 1, 1 * MS);
	assert_false(health_latency_is_young(&latency));
	assert_true(health_latency_is_known(&latency));
}

/* Of a few one may be an accident, and twice as much is allowed for the rest. */
static void test_few_successes_say_less(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct health_latency latency = {};

	(void)arg;
	add(&latency, 1, 300 * MS);
	add(&latency, 7, 10 * MS);
	assert_int_equal(timeout(&latency), 160 * MS);
	assert_int_equal(health_latency_confirm(&latency, &spec, 50 * MS), 75 * MS);
	add(&latency, 1, 30 * MS);
	assert_int_equal(timeout(&latency), 480 * MS);
	assert_int_equal(health_latency_confirm(&latency, &spec, 50 * MS), 120 * MS);
	add(&latency, 1, 60 * MS);
	assert_int_equal(timeout(&latency), 500 * MS);
	spec.given = 1U << PROBE_FIELD_TIMEOUT;
	assert_int_equal(health_latency_confirm(&latency, &spec, 50 * MS), 500 * MS);
}

static void test_eight_times_what_it_takes(void **arg)
{
	struct health_latency latency = {};

	(void)arg;
	add(&latency, 40, 10 * MS);
	assert_int_equal(timeout(&latency), 80 * MS);
	add(&latency, 64, 63 * MS);
	assert_int_equal(timeout(&latency), 500 * MS);
	add(&latency, 64, 20 * MS);
	assert_int_equal(timeout(&latency), 160 * MS);
}

/* What confirms a time-out need not wait as long as what raised the doubt. */
static void test_confirmed_sooner(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct health_latency latency = {};

	(void)arg;
	add(&latency, 7, 60 * MS);
	assert_int_equal(health_latency_confirm(&latency, &spec, 50 * MS), 500 * MS);
	add(&latency, 25, 60 * MS);
	assert_int_equal(health_latency_confirm(&latency, &spec, 50 * MS), 120 * MS);
	spec.timeout = 100 * MS;
	assert_int_equal(health_latency_confirm(&latency, &spec, 50 * MS), 100 * MS);
	add(&latency, 64, 2 * MS);
	assert_int_equal(health_latency_confirm(&latency, &spec, 50 * MS), 50 * MS);
	spec.given = 1U << PROBE_FIELD_TIMEOUT;
	assert_int_equal(health_latency_confirm(&latency, &spec, 50 * MS), 100 * MS);
}

/* One slow answer is an accident, two in the windows are how it is. */
static void test_one_outlier_is_none(void **arg)
{
	struct health_latency latency = {};

	(void)arg;
	add(&latency, 40, 1 * MS);
	add(&latency, 1, 400 * MS);
	assert_int_equal(timeout(&latency), 50 * MS);
	add(&latency, 1, 40 * MS);
	assert_int_equal(timeout(&latency), 320 * MS);
	add(&latency, 64, 1 * MS);
	assert_int_equal(timeout(&latency), 50 * MS);
}

/* The two largest are in different windows. */
static void test_outliers_of_both_windows(void **arg)
{
	struct health_latency latency = {};

	(void)arg;
	add(&latency, 31, 1 * MS);
	add(&latency, 1, 30 * MS);
	add(&latency, 1, 20 * MS);
	assert_int_equal(timeout(&latency), 160 * MS);
	add(&latency, 1, 25 * MS);
	assert_int_equal(timeout(&latency), 200 * MS);
}

static void test_a_time_out_that_was_asked_for_holds(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct health_latency latency = {};

	(void)arg;
	add(&latency, 64, 1 * MS);
	spec.given = 1U << PROBE_FIELD_TIMEOUT;
	assert_int_equal(health_latency_timeout(&latency, &spec, 50 * MS), 500 * MS);
	spec.given = 1U << PROBE_FIELD_FALL;
	assert_int_equal(health_latency_timeout(&latency, &spec, 50 * MS), 50 * MS);
	spec.timeout = 30 * MS;
	assert_int_equal(health_latency_timeout(&latency, &spec, 50 * MS), 30 * MS);
}

static void test_probes_keep_nobody_busy(void **arg)
{
	struct probe_spec http = spec_of(PROBE_HTTP), tcp = spec_of(PROBE_TCP);
	struct health_latency latency = {};

	(void)arg;
	assert_int_equal(health_latency_interval(&latency, &http), 100 * MS);
	add(&latency, 8, 5 * MS);
	assert_int_equal(health_latency_interval(&latency, &http), 100 * MS);
	add(&latency, 100, 200 * MS);
	assert_in_range(health_latency_interval(&latency, &http), 1990 * MS, 2000 * MS);
	assert_int_equal(health_latency_interval(&latency, &tcp), 100 * MS);
	add(&latency, 100, 60000 * MS);
	assert_int_equal(health_latency_interval(&latency, &http), 10000 * MS);
	http.interval = 30000 * MS;
	assert_int_equal(health_latency_interval(&latency, &http), 30000 * MS);
}

/* What has answered at all is asked often until it has done so a few times, if that costs it little. */
static void test_the_first_probes_come_fast(void **arg)
{
	struct probe_spec http = spec_of(PROBE_HTTP), tcp = spec_of(PROBE_TCP);
	struct health_latency latency = {}, slow = {};

	(void)arg;
	assert_int_equal(health_latency_interval(&latency, &tcp), 100 * MS);
	for (int i = 0; i < 7; i++) {
		add(&latency, 1, 1 * MS);
		assert_int_equal(health_latency_interval(&latency, &http), 20 * MS);
		assert_int_equal(health_latency_interval(&latency, &tcp), 20 * MS);
	}
	add(&latency, 1, 1 * MS);
	assert_int_equal(health_latency_interval(&latency, &http), 100 * MS);
	assert_int_equal(health_latency_interval(&latency, &tcp), 100 * MS);
	add(&slow, 1, 200 * MS);
	assert_int_equal(health_latency_interval(&slow, &http), 2000 * MS);
	assert_int_equal(health_latency_interval(&slow, &tcp), 20 * MS);
	tcp.interval = 10 * MS;
	assert_int_equal(health_latency_interval(&slow, &tcp), 10 * MS);
	add(&latency, 24, 1 * MS);
	assert_int_equal(health_latency_interval(&latency, &http), 100 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_is_fast_before_8_successes),
		cmocka_unit_test(test_few_successes_say_less),
		cmocka_unit_test(test_eight_times_what_it_takes),
		cmocka_unit_test(test_confirmed_sooner),
		cmocka_unit_test(test_one_outlier_is_none),
		cmocka_unit_test(test_outliers_of_both_windows),
		cmocka_unit_test(test_a_time_out_that_was_asked_for_holds),
		cmocka_unit_test(test_probes_keep_nobody_busy),
		cmocka_unit_test(test_the_first_probes_come_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

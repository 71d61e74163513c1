/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"
#include "rescue/rescue_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START (1000 * NSEC_PER_SEC)

/* How many replays one after the other are granted, of at most 1000. */
static int count(struct rescue_budget *budget, uint32_t percent, uint64_t requests, uint64_t now)
{
	int granted = 0;

	/* Others are under way all the time: the least number at once is used up. */
	budget->at_once = RESCUE_BUDGET_LEAST;
	while (granted < 1000 && rescue_budget_begin(budget, percent, requests, now)) {
		rescue_budget_end(budget);
		granted++;
	}
	budget->at_once = 0;
	return granted;
}

static void test_a_share_of_the_requests(void **state)
{
	struct rescue_budget budget = rescue_budget_from(START);

	(void)state;
	assert_int_equal(count(&budget, 20, 500, START), 100);
	assert_int_equal(count(&budget, 20, 500, START), 0);
	assert_int_equal(count(&budget, 20, 550, START + NSEC_PER_SEC), 10);
	assert_int_equal(count(&budget, 90, 550, START + NSEC_PER_SEC), 385);
}

static void test_only_the_last_ten_seconds_count(void **state)
{
	struct rescue_budget budget = rescue_budget_from(START);

	(void)state;
	assert_int_equal(count(&budget, 20, 500, START), 100);
	assert_int_equal(count(&budget, 20, 500, START + 9 * NSEC_PER_SEC), 0);
	assert_int_equal(count(&budget, 20, 500, START + 10 * NSEC_PER_SEC), 0);
	assert_int_equal(count(&budget, 20, 600, START + 10 * NSEC_PER_SEC), 20);
	assert_int_equal(count(&budget, 20, 600, START + 100 * NSEC_PER_SEC), 0);
}

/* Not the hours before: only the last second has its part. */
static void test_what_came_since_the_last_look_is_spread(void **state)
{
	struct rescue_budget budget = rescue_budget_from(START);
	uint64_t now = START + 3600 * NSEC_PER_SEC;

	(void)state;
	assert_int_equal(count(&budget, 20, 360000, now), 200);
	assert_int_equal(count(&budget, 20, 360000, now + 5 * NSEC_PER_SEC), 0);
	budget = rescue_budget_from(START);
	assert_int_equal(count(&budget, 20, 400, START + 4 * NSEC_PER_SEC), 80);
	budget = rescue_budget_from(START);
	assert_int_equal(count(&budget, 100, 3, now), 1000);
	budget = rescue_budget_from(START);
	assert_int_equal(count(&budget, 50, 3, START + 9 * NSEC_PER_SEC), 1);
}

static void test_looks_fill_the_last_ten_seconds(void **state)
{
	struct rescue_budget budget = rescue_budget_from(START);
	uint64_t now = START;

	(void)state;
	for (int second = 0; second < 3600; second++, now += NSEC_PER_SEC)
		rescue_budget_count(&budget, (uint64_t)second * 100, now);
	assert_int_equal(count(&budget, 20, 359900, now - NSEC_PER_SEC), 200);
}

static void test_a_few_at_once_in_any_case(void **state)
{
	struct rescue_budget budget = rescue_budget_from(START);

	(void)state;
	for (int i = 0; i < RESCUE_BUDGET_LEAST; i++)
		assert_true(rescue_budget_begin(&budget, 20, 1, START));
	assert_false(rescue_budget_begin(&budget, 20, 1, START));
	rescue_budget_end(&budget);
	assert_true(rescue_budget_begin(&budget, 20, 1, START));
}

/* A request that fails on six pods takes as much as five that fail on one. */
static void test_each_replay_is_charged(void **state)
{
	struct rescue_budget budget = rescue_budget_from(START);
	int further = 0;

	(void)state;
	assert_true(rescue_budget_begin(&budget, 20, 100, START));
	while (further < 1000 && rescue_budget_further(&budget, 20, 100, START))
		further++;
	assert_int_equal(further, 19);
	rescue_budget_end(&budget);
	assert_int_equal(count(&budget, 20, 100, START), 0);
	assert_int_equal(count(&budget, 20, 150, START), 10);
}

static void test_a_few_further_ones_in_any_case(void **state)
{
	struct rescue_budget budget = rescue_budget_from(START);
	int further = 0;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_true(rescue_budget_begin(&budget, 20, 10, START));
		for (int pod = 0; pod < 4; pod++)
			further += rescue_budget_further(&budget, 20, 10, START);
		rescue_budget_end(&budget);
	}
	assert_int_equal(further, 8);
	assert_false(rescue_budget_further(&budget, 20, 10, START));
	assert_true(rescue_budget_further(&budget, 20, 10, START + 10 * NSEC_PER_SEC));
	assert_true(rescue_budget_further(&budget, 100, 10, START + 10 * NSEC_PER_SEC));
	assert_false(rescue_budget_further(&budget, 0, 10, START + 30 * NSEC_PER_SEC));
}

static void test_all_is_all(void **state)
{
	struct rescue_budget budget = rescue_budget_from(START);

	(void)state;
	assert_int_equal(count(&budget, 100, 1, START), 1000);
}

static void test_none_is_none(void **state)
{
	struct rescue_budget budget = rescue_budget_from(START);

	(void)state;
	assert_false(rescue_budget_begin(&budget, 0, 1000, START));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_share_of_the_requests),
		cmocka_unit_test(test_only_the_last_ten_seconds_count),
		cmocka_unit_test(test_what_came_since_the_last_look_is_spread),
		cmocka_unit_test(test_looks_fill_the_last_ten_seconds),
		cmocka_unit_test(test_a_few_at_once_in_any_case),
		cmocka_unit_test(test_each_replay_is_charged),
		cmocka_unit_test(test_a_few_further_ones_in_any_case),
		cmocka_unit_test(test_all_is_all),
		cmocka_unit_test(test_none_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_budget.h"

#include "base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define START (1000 * NSEC_PER_SEC)

static unsigned int take_all(struct health_budget *budget, uint64_t now)
{
	unsigned int taken = 0;

	while (health_budget_take(budget, now))
		taken++;
	return taken;
}

/* Counts what a caller gets that asks every `step` during one second. */
static unsigned int take_for_a_second(struct health_budget *budget, uint64_t step)
{
	unsigned int taken = 0;

	for (uint64_t now = START + step; now <= START + NSEC_PER_SEC; now += step)
		taken += take_all(budget, now);
	return taken;
}

static void test_begins_full(void **arg)
{
	struct health_budget budget = health_budget_of(2000);

	(void)arg;
	assert_int_equal(take_all(&budget, START), 201);
	assert_false(health_budget_take(&budget, START));
}

static void test_rate_does_not_depend_on_how_often_it_is_asked(void **arg)
{
	static const unsigned int rates[] = {1, 7, 100, 2000, 1000000};
	static const uint64_t steps[] = {NSEC_PER_MSEC / 3, NSEC_PER_MSEC, 100 * NSEC_PER_MSEC};

	(void)arg;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			struct health_budget budget = health_budget_of(rates[i]);

			take_all(&budget, START);
			assert_in_range(take_for_a_second(&budget, steps[k]), rates[i] - 1,
					rates[i] + 1);
		}
	}
}

static void test_what_is_not_used_is_not_saved_up(void **arg)
{
	struct health_budget budget = health_budget_of(100);

	(void)arg;
	take_all(&budget, START);
	assert_int_equal(take_all(&budget, START + 3600 * NSEC_PER_SEC), 11);
}

static void test_next_is_when_a_token_is_there(void **arg)
{
	static const unsigned int rates[] = {1, 3, 2000, 999999};

	(void)arg;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct health_budget budget = health_budget_of(rates[i]);
		uint64_t next;

		assert_true(health_budget_next(&budget) <= START);
		take_all(&budget, START);
		next = health_budget_next(&budget);
		assert_true(next > START);
		assert_false(health_budget_take(&budget, next - 1));
		assert_true(health_budget_take(&budget, next));
		assert_false(health_budget_take(&budget, next));
	}
}

static void test_no_limit(void **arg)
{
	struct health_budget budget = health_budget_of(0);

	(void)arg;
	for (int i = 0; i < 100000; i++)
		assert_true(health_budget_take(&budget, START));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins_full),
		cmocka_unit_test(test_rate_does_not_depend_on_how_often_it_is_asked),
		cmocka_unit_test(test_what_is_not_used_is_not_saved_up),
		cmocka_unit_test(test_next_is_when_a_token_is_there),
		cmocka_unit_test(test_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_damping.h"

#include "base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SEC NSEC_PER_SEC

static void test_two_changes_are_none(void **arg)
{
	struct health_damping damping = {};

	(void)arg;
	assert_false(health_damping_holds(&damping, 0));
	health_damping_note(&damping, true, 100 * SEC);
	assert_false(health_damping_holds(&damping, 100 * SEC));
	health_damping_note(&damping, false, 101 * SEC);
	assert_false(health_damping_holds(&damping, 101 * SEC));
}

static void test_the_third_within_ten_seconds_is_held(void **arg)
{
	struct health_damping damping = {};

	(void)arg;
	health_damping_note(&damping, true, 100 * SEC);
	health_damping_note(&damping, false, 101 * SEC);
	health_damping_note(&damping, true, 102 * SEC);
	assert_true(health_damping_holds(&damping, 103 * SEC - 1));
	assert_false(health_damping_holds(&damping, 103 * SEC));
}

static void test_slower_is_not_held(void **arg)
{
	struct health_damping damping = {};

	(void)arg;
	for (uint64_t now = 100 * SEC; now < 300 * SEC; now += 5 * SEC) {
		health_damping_note(&damping, now % (10 * SEC) == 0, now);
		assert_false(health_damping_holds(&damping, now));
	}
}

/* Until it stands still for ten seconds each hold is twice as long, up to a minute. */
static void test_holds_grow(void **arg)
{
	static const uint64_t holds[] = {1, 2, 4, 8, 16, 32, 60, 60};
	struct health_damping damping = {};
	uint64_t now = 100 * SEC;

	(void)arg;
	health_damping_note(&damping, true, now);
	health_damping_note(&damping, false, now += SEC);
	for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
		health_damping_note(&damping, true, now += SEC);
		assert_int_equal(damping.until, now + holds[i] * SEC);
		/* It comes back when the hold is over: the time of the hold is forgiven, too. */
		now += 2 * SEC;
		health_damping_note(&damping, false, now);
	}
}

static void test_it_is_forgiven(void **arg)
{
	struct health_damping damping = {};
	uint64_t now = 100 * SEC;

	(void)arg;
	health_damping_note(&damping, true, now);
	health_damping_note(&damping, false, now += SEC);
	health_damping_note(&damping, true, now += SEC);
	health_damping_note(&damping, false, now += SEC);
	health_damping_note(&damping, true, now += SEC);
	assert_int_equal(damping.until, now + 2 * SEC);
	health_damping_note(&damping, false, now += 2 * SEC);
	health_damping_note(&damping, true, now += 30 * SEC);
	assert_false(health_damping_holds(&damping, now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_changes_are_none),
		cmocka_unit_test(test_the_third_within_ten_seconds_is_held),
		cmocka_unit_test(test_slower_is_not_held),
		cmocka_unit_test(test_holds_grow),
		cmocka_unit_test(test_it_is_forgiven),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

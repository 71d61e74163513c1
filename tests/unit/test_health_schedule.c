/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_schedule.h"

#include "base/cleanup.h"
#include "base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS NSEC_PER_MSEC

/* The random numbers that give the earliest and the latest time for a delay, and the middle. */
static const uint64_t randoms[] = {0, 1, 12345678901234567ULL, UINT64_MAX / 3, UINT64_MAX};

static struct health_pace pace_of(uint64_t interval)
{
	return (struct health_pace){.interval = interval, .fast = 20 * MS, .slow = 1000 * MS};
}

struct row {
	const char *name;
	uint64_t interval;
	enum health_next next;
	unsigned int slow;
	uint64_t delay; /* from the start of the last probe, before jitter */
};

static const struct row rows[] = {
	{"interval", 100 * MS, NEXT_INTERVAL, 0, 100 * MS},
	{"short interval", 10 * MS, NEXT_INTERVAL, 0, 10 * MS},
	{"fast", 100 * MS, NEXT_FAST, 0, 20 * MS},
	{"fast is not slower than the interval", 10 * MS, NEXT_FAST, 0, 10 * MS},
	{"fast with a long interval", 60000 * MS, NEXT_FAST, 0, 20 * MS},
	{"slow, first", 100 * MS, NEXT_SLOW, 0, 250 * MS},
	{"slow, second", 100 * MS, NEXT_SLOW, 1, 500 * MS},
	{"slow, third", 100 * MS, NEXT_SLOW, 2, 1000 * MS},
	{"slow, fourth", 100 * MS, NEXT_SLOW, 3, 1000 * MS},
	{"slow, after weeks", 100 * MS, NEXT_SLOW, 4000000000U, 1000 * MS},
	{"slow is not faster than the interval", 700 * MS, NEXT_SLOW, 0, 700 * MS},
	{"slow with a long interval", 5000 * MS, NEXT_SLOW, 9, 5000 * MS},
};

static void test_delays_within_jitter(void **arg)
{
	const uint64_t started = 1000000 * MS, now = started + 1;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct health_pace pace = pace_of(row->interval);

		for (size_t k = 0; k < ARRAY_SIZE(randoms); k++) {
			uint64_t due = health_schedule_next(&pace, row->next, row->slow, started,
							    now, randoms[k]);

			if (due < started + row->delay * 9 / 10 ||
			    due > started + row->delay * 11 / 10)
				fail_msg("%s: %llu", row->name,
					 (unsigned long long)(due - started));
		}
	}
}

static uint64_t next_interval(const struct health_pace *pace, uint64_t random)
{
	return health_schedule_next(pace, NEXT_INTERVAL, 0, 0, 0, random);
}

static void test_jitter_reaches_both_ends(void **arg)
{
	struct health_pace pace = pace_of(100 * MS);
	uint64_t first = UINT64_MAX, last = 0;

	(void)arg;
	for (uint64_t random = 0; random < 20 * MS; random += MS / 7) {
		uint64_t due = next_interval(&pace, random);

		first = due < first ? due : first;
		last = due > last ? due : last;
	}
	assert_in_range(first, 90 * MS, 99 * MS);
	assert_in_range(last, 101 * MS, 110 * MS);
	assert_int_equal(health_schedule_next(&pace, NEXT_FAST, 0, 0, 0, 0), 18 * MS);
	assert_int_equal(health_schedule_next(&pace, NEXT_FAST, 0, 0, 0, 4 * MS), 22 * MS);
}

/* All that is due within an eighth of the interval starts at the same moment, or at the next. */
static void test_probes_start_together(void **arg)
{
	static const uint64_t intervals[] = {10 * MS, 50 * MS, 100 * MS, 1000 * MS, 60000 * MS};

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(intervals); i++) {
		struct health_pace pace = pace_of(intervals[i]);
		uint64_t tick = next_interval(&pace, 0);

		tick &= -tick; /* its lowest bit: the moments are multiples of the tick */
		assert_in_range(tick, 1 << 19, 1 << 26);
		for (uint64_t random = 0; random < intervals[i] / 5; random += intervals[i] / 97)
			assert_int_equal(next_interval(&pace, random) % (1 << 19), 0);
	}
}

static void test_now_is_now(void **arg)
{
	struct health_pace pace = pace_of(100 * MS);

	(void)arg;
	assert_int_equal(health_schedule_next(&pace, NEXT_NOW, 0, 1000, 2000, 77), 2000);
}

static void test_overdue_is_now_and_not_made_up_for(void **arg)
{
	struct health_pace pace = pace_of(100 * MS);
	uint64_t started = 5000 * MS, now = started + 500 * MS;

	(void)arg;
	assert_int_equal(health_schedule_next(&pace, NEXT_INTERVAL, 0, started, now, 0), now);
	assert_int_equal(health_schedule_next(&pace, NEXT_FAST, 0, started, now, UINT64_MAX), now);
	assert_true(health_schedule_next(&pace, NEXT_SLOW, 2, started, now, 0) > now);
}

static void test_first_is_within_the_interval(void **arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(randoms); i++)
		assert_in_range(health_schedule_first(100 * MS, 7 * MS, randoms[i]), 7 * MS,
				107 * MS - 1);
	assert_int_equal(health_schedule_first(100 * MS, 7 * MS, 42 * MS), 49 * MS);
}

static void test_idle_never_makes_more_than_50_probes_a_second(void **arg)
{
	struct health_pace pace = pace_of(100 * MS), slow = pace_of(60000 * MS);

	(void)arg;
	assert_in_range(health_schedule_idle(&pace, 1, 7 * MS, 8 * MS, 0), 9007 * MS, 9016 * MS);
	assert_in_range(health_schedule_idle(&pace, 500, 0, 0, 0), 9000 * MS, 9009 * MS);
	assert_in_range(health_schedule_idle(&pace, 20000, 0, 0, 0), 360000 * MS, 360009 * MS);
	assert_in_range(health_schedule_idle(&slow, 1, 0, 0, 0), 54000 * MS, 54009 * MS);
	assert_int_equal(health_schedule_idle(&pace, 1, 0, 70000 * MS, 0), 70000 * MS);
}

/* A fifth of the interval, as long as that is more than the precision of the last answer. */
static void test_silence_after_an_answer(void **arg)
{
	struct health_pace pace = pace_of(100 * MS), slow = pace_of(1000 * MS),
			   fast = pace_of(10 * MS);

	(void)arg;
	assert_in_range(health_schedule_quiet(&pace, 700 * MS), 720 * MS, 729 * MS);
	assert_in_range(health_schedule_quiet(&slow, 700 * MS), 900 * MS, 909 * MS);
	assert_in_range(health_schedule_quiet(&fast, 700 * MS), 710 * MS, 712 * MS);
	assert_int_equal(health_schedule_quiet(&pace, 700 * MS) % (1 << 19), 0);
}

static void test_late_loop(void **arg)
{
	(void)arg;
	assert_false(health_schedule_late(500 * MS, 1000 * MS, 1500 * MS));
	assert_false(health_schedule_late(500 * MS, 1000 * MS, 1625 * MS));
	assert_true(health_schedule_late(500 * MS, 1000 * MS, 1625 * MS + 1));
	/* A quarter of a short time-out is less than what any loop is late by. */
	assert_false(health_schedule_late(1 * MS, 1000 * MS, 1010 * MS));
	assert_true(health_schedule_late(1 * MS, 1000 * MS, 1012 * MS));
}

static void test_fast_and_slow_are_as_asked_for(void **arg)
{
	struct health_pace pace = {.interval = 100 * MS, .fast = 50 * MS, .slow = 300 * MS};

	(void)arg;
	assert_int_equal(health_schedule_next(&pace, NEXT_FAST, 0, 0, 0, 5 * MS), 50 * MS);
	assert_in_range(health_schedule_next(&pace, NEXT_SLOW, 5, 0, 0, 0), 270 * MS, 279 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delays_within_jitter),
		cmocka_unit_test(test_jitter_reaches_both_ends),
		cmocka_unit_test(test_probes_start_together),
		cmocka_unit_test(test_now_is_now),
		cmocka_unit_test(test_overdue_is_now_and_not_made_up_for),
		cmocka_unit_test(test_first_is_within_the_interval),
		cmocka_unit_test(test_idle_never_makes_more_than_50_probes_a_second),
		cmocka_unit_test(test_silence_after_an_answer),
		cmocka_unit_test(test_late_loop),
		cmocka_unit_test(test_fast_and_slow_are_as_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

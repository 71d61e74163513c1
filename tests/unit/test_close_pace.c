/* SPDX-License-Identifier: Apache-2.0 */
#include "conns/close_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS NSEC_PER_MSEC

/* Walks of that length one after another, for so long; returns how many. */
static unsigned int walk_for(struct close_pace *pace, uint64_t *now, uint64_t length, uint64_t time)
{
	uint64_t end = *now + time;
	unsigned int count = 0;

	for (; *now < end; count++)
		*now = close_pace_next(pace, *now, *now + length);
	return count;
}

static void test_a_pause_at_least(void **state)
{
	struct close_pace pace = {};

	(void)state;
	assert_int_equal(close_pace_next(&pace, 1000 * MS, 1000 * MS),
			 1000 * MS + CLOSE_PACE_PAUSE);
	assert_int_equal(close_pace_next(&pace, 2000 * MS, 2001 * MS),
			 2001 * MS + CLOSE_PACE_PAUSE);
}

/* The first ones for a while follow each other closely, however long that while was. */
static void test_some_at_once(void **state)
{
	struct close_pace pace = {};
	uint64_t now = 1000000 * MS;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(walk_for(&pace, &now, 10 * MS, 75 * MS), 5);
		now += 10000 * MS;
	}
}

static void test_a_fifth_in_the_long_run(void **state)
{
	static const uint64_t lengths[] = {2 * MS, 13 * MS, 100 * MS, 2000 * MS};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct close_pace pace = {};
		uint64_t now = MS, time = 1000 * lengths[i];

		assert_in_range(walk_for(&pace, &now, lengths[i], time), 200,
				200 + 50 * MS / lengths[i] + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pause_at_least),
		cmocka_unit_test(test_some_at_once),
		cmocka_unit_test(test_a_fifth_in_the_long_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

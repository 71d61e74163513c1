/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_outlook.h"

#include "base/duration.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS NSEC_PER_MSEC

enum { NOW = 1000 }; /* ms */

static const struct row {
	struct health_outlook outlook; /* times in ms */
	const char *expected;
} rows[] = {
	{{}, "not probed"},
	{{.probed = true, .fsm.state = HEALTH_UP, .due = 1080}, "the next probe in 80ms"},
	{{.probed = true, .fsm.state = HEALTH_UP, .due = 61260}, "the next probe in 60.3s"},
	{{.probed = true, .fsm.state = HEALTH_UP}, "a probe is due or under way"},
	{{.probed = true,
	  .fsm = {.state = HEALTH_SUSPECT, .last = VERDICT_AMBIGUOUS, .failures = 2},
	  .limits.fall = 3,
	  .due = 1020},
	 "2 of 3 time-outs; the next probe in 20ms"},
	{{.probed = true,
	  .fsm = {.state = HEALTH_SUSPECT, .last = VERDICT_AMBIGUOUS, .failures = 9},
	  .limits.fall = 3,
	  .held = GUARD_LAST,
	  .due = 1100},
	 "silent, kept: no other endpoint is usable; the next probe in 100ms"},
	{{.probed = true, .fsm = {.state = HEALTH_SUSPECT, .last = VERDICT_ERROR, .failures = 1}},
	 "to be confirmed; a probe is due or under way"},
	{{.probed = true, .fsm.state = HEALTH_DOWN, .limits.rise = 2, .due = 2000},
	 "0 of 2 successes; the next probe in 1s"},
	{{.probed = true,
	  .fsm = {.state = HEALTH_RECOVERING, .successes = 5},
	  .limits.rise = 2,
	  .held_until = 5000,
	  .due = 1100},
	 "flapping, held down for 4s; the next probe in 100ms"},
	{{.probed = true,
	  .fsm = {.state = HEALTH_RECOVERING, .successes = 5},
	  .limits.rise = 2,
	  .unsure_until = 5000,
	  .due = 1100},
	 "down before, its own probe is asked for; the next probe in 100ms"},
};

static void test_words(void **state)
{
	char text[OUTLOOK_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct health_outlook outlook = rows[i].outlook;

		outlook.due *= MS;
		outlook.held_until *= MS;
		outlook.unsure_until *= MS;
		assert_string_equal(health_outlook_to_str(&outlook, NOW * MS, text),
				    rows[i].expected);
	}
}

/* Whatever keeps it. */
static void test_nothing_is_cut(void **state)
{
	char text[OUTLOOK_SIZE];

	(void)state;
	for (int held = GUARD_FALL + 1; held < GUARD_VERDICT_COUNT; held++) {
		const struct health_outlook outlook = {.probed = true,
						       .fsm.state = HEALTH_SUSPECT,
						       .held = (enum guard_verdict)held,
						       .due = NOW * MS + 100 * MS};

		health_outlook_to_str(&outlook, NOW * MS, text);
		assert_non_null(strstr(text, guard_verdict_to_str(outlook.held)));
		assert_non_null(strstr(text, "; the next probe in 100ms"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_nothing_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

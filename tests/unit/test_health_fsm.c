/* SPDX-License-Identifier: Apache-2.0 */
/* The table cell by cell, written down a second time, and properties over random verdicts. */
#include "health/health_fsm.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* How to make each event of the state machine happen in a state, with counters at 0. */
struct stimulus {
	const char *name;
	enum health_verdict verdict;
	struct health_limits limits;
};

enum { OK, RISEN, FAIL, CONFIRM, FALLEN, HELD_UP, HELD_DOWN, STIMULUS_COUNT };

static const struct stimulus stimuli[STIMULUS_COUNT] = {
	[OK] = {"ok", VERDICT_OK, {.rise = 2, .fall = 3}},
	[RISEN] = {"risen", VERDICT_OK, {.rise = 1, .fall = 3}},
	[FAIL] = {"fail", VERDICT_AMBIGUOUS, {.rise = 2, .fall = 3}},
	[CONFIRM] = {"confirm", VERDICT_REFUSED, {.rise = 2, .fall = 3}},
	[FALLEN] = {"fallen", VERDICT_ERROR, {.rise = 2, .fall = 1}},
	[HELD_UP] = {"held up", VERDICT_AMBIGUOUS, {2, 1, HOLD_SUSPECT}},
	[HELD_DOWN] = {"held down", VERDICT_OK, {1, 3, HOLD_DOWN}},
};

struct expected {
	enum health_state state;
	enum health_next next;
};

/* clang-format off */
static const struct expected expected[HEALTH_STATE_COUNT][STIMULUS_COUNT] = {
	[HEALTH_UNKNOWN] = {
		{ HEALTH_UP, NEXT_INTERVAL }, { HEALTH_UP, NEXT_INTERVAL },
		{ HEALTH_SUSPECT, NEXT_FAST }, { HEALTH_SUSPECT, NEXT_NOW }, { HEALTH_DOWN, NEXT_SLOW },
		{ HEALTH_SUSPECT, NEXT_INTERVAL }, { HEALTH_UP, NEXT_INTERVAL },
	},
	[HEALTH_UP] = {
		{ HEALTH_UP, NEXT_INTERVAL }, { HEALTH_UP, NEXT_INTERVAL },
		{ HEALTH_SUSPECT, NEXT_FAST }, { HEALTH_SUSPECT, NEXT_NOW }, { HEALTH_DOWN, NEXT_SLOW },
		{ HEALTH_SUSPECT, NEXT_INTERVAL }, { HEALTH_UP, NEXT_INTERVAL },
	},
	[HEALTH_SUSPECT] = {
		{ HEALTH_UP, NEXT_INTERVAL }, { HEALTH_UP, NEXT_INTERVAL },
		{ HEALTH_SUSPECT, NEXT_FAST }, { HEALTH_SUSPECT, NEXT_NOW }, { HEALTH_DOWN, NEXT_SLOW },
		{ HEALTH_SUSPECT, NEXT_INTERVAL }, { HEALTH_UP, NEXT_INTERVAL },
	},
	[HEALTH_DOWN] = {
		{ HEALTH_RECOVERING, NEXT_FAST }, { HEALTH_UP, NEXT_INTERVAL },
		{ HEALTH_DOWN, NEXT_SLOW }, { HEALTH_DOWN, NEXT_SLOW }, { HEALTH_DOWN, NEXT_SLOW },
		{ HEALTH_DOWN, NEXT_SLOW }, { HEALTH_RECOVERING, NEXT_INTERVAL },
	},
	[HEALTH_RECOVERING] = {
		{ HEALTH_RECOVERING, NEXT_FAST }, { HEALTH_UP, NEXT_INTERVAL },
		{ HEALTH_DOWN, NEXT_SLOW }, { HEALTH_DOWN, NEXT_SLOW }, { HEALTH_DOWN, NEXT_SLOW },
		{ HEALTH_DOWN, NEXT_SLOW }, { HEALTH_RECOVERING, NEXT_INTERVAL },
	},
};
/* clang-format on */

static void check_cell(enum health_state state, const struct stimulus *stimulus,
		       const struct expected *want)
{
	struct health_fsm fsm;
	enum health_next next;

	health_fsm_init(&fsm, state);
	next = health_fsm_step(&fsm, &stimulus->limits, stimulus->verdict);
	if (next != want->next || fsm.state != want->state)
		fail_msg("%s + %s: %s, next %d", health_state_to_str(state), stimulus->name,
			 health_state_to_str(fsm.state), next);
	assert_int_equal(fsm.last, stimulus->verdict);
}

static void test_every_cell(void **arg)
{
	(void)arg;
	for (int state = 0; state < HEALTH_STATE_COUNT; state++)
		for (int i = 0; i < STIMULUS_COUNT; i++)
			check_cell(state, &stimuli[i], &expected[state][i]);
}

/* Whatever the counters are, no step ends in a cell that was forgotten. */
static void check_counters(const struct health_fsm *start, const struct health_limits *limits)
{
	for (int verdict = 0; verdict < VERDICT_COUNT; verdict++) {
		struct health_fsm fsm = *start;
		enum health_next next = health_fsm_step(&fsm, limits, verdict);

		assert_int_not_equal(next, NEXT_UNSET);
		assert_in_range(fsm.state, 0, HEALTH_STATE_COUNT - 1);
		assert_true(next != NEXT_SLOW || fsm.state == HEALTH_DOWN);
		assert_true(next != NEXT_NOW || fsm.state == HEALTH_SUSPECT);
	}
}

static void test_no_cell_is_forgotten(void **arg)
{
	static const uint8_t counts[] = {0, 1, 2, 3, 254, 255};

	(void)arg;
	for (int state = 0; state < HEALTH_STATE_COUNT; state++) {
		for (size_t i = 0; i < ARRAY_SIZE(counts) * 2; i++) {
			uint8_t n = counts[i / 2];
			const struct health_fsm fsm = {
				.state = state,
				.successes = i % 2 ? n : 0,
				.failures = i % 2 ? 0 : n,
			};

			for (int limit = 0; limit < 300; limit++)
				check_counters(&fsm,
					       &(struct health_limits){limit / 10 % 10, limit % 10,
								       limit / 100});
		}
	}
}

struct story {
	const char *name;
	struct health_limits limits;
	const char *verdicts; /* o: ok, r: refused, e: error, a: ambiguous */
	const char *states;   /* U unknown, + up, s suspect, - down, ^ recovering; after each */
};

static const struct story stories[] = {
	{"first success counts", {2, 3, HOLD_NONE}, "oo", "++"},
	{"definitive, confirmed", {2, 3, HOLD_NONE}, "orr", "+s-"},
	{"definitive, not confirmed", {2, 3, HOLD_NONE}, "oeo", "+s+"},
	{"definitive at the start", {2, 3, HOLD_NONE}, "re", "s-"},
	{"definitive, fall 1", {2, 1, HOLD_NONE}, "or", "+-"},
	{"ambiguous, fall 3", {2, 3, HOLD_NONE}, "oaaa", "+ss-"},
	{"ambiguous, broken off", {2, 3, HOLD_NONE}, "oaaoaaa", "+ss+ss-"},
	{"ambiguous, fall 1", {2, 1, HOLD_NONE}, "oa", "+-"},
	{"ambiguous, then definitive", {2, 3, HOLD_NONE}, "oar", "+s-"},
	{"definitive, then ambiguous", {2, 3, HOLD_NONE}, "oraa", "+ss-"},
	{"definitive, ambiguous, fall 2", {2, 2, HOLD_NONE}, "ora", "+s-"},
	{"back, rise 2", {2, 3, HOLD_NONE}, "rroo", "s-^+"},
	{"back, rise 1", {1, 3, HOLD_NONE}, "rro", "s-+"},
	{"back, rise 3, with a relapse", {3, 3, HOLD_NONE}, "rrooaooo", "s-^^-^^+"},
	{"down stays down", {2, 3, HOLD_NONE}, "rrraeo", "s----^"},
	{"silence is held", {2, 3, HOLD_SUSPECT}, "oaaaaaao", "+ssssss+"},
	{"silence is held, an error is not", {2, 3, HOLD_SUSPECT}, "oaaaae", "+ssss-"},
	{"an error, then silence", {2, 3, HOLD_SUSPECT}, "oeaaa", "+ssss"},
	{"what is out is not held", {2, 3, HOLD_SUSPECT}, "rraaoo", "s---^+"},
	{"held down", {2, 3, HOLD_DOWN}, "rroooo", "s-^^^^"},
	{"held down, with a relapse", {2, 3, HOLD_DOWN}, "rrooroo", "s-^^-^^"},
	{"what is in is not held down", {2, 3, HOLD_DOWN}, "oao", "+s+"},
	{"limits 0 act as 1", {0, 0, HOLD_NONE}, "oao", "+-+"},
};

static enum health_verdict verdict_of(char c)
{
	switch (c) {
	case 'o':
		return VERDICT_OK;
	case 'r':
		return VERDICT_REFUSED;
	case 'e':
		return VERDICT_ERROR;
	default:
		return VERDICT_AMBIGUOUS;
	}
}

static void test_stories(void **arg)
{
	static const char state_char[] = "U+s-^";

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		const struct story *story = &stories[i];
		struct health_fsm fsm;

		health_fsm_init(&fsm, HEALTH_UNKNOWN);
		for (size_t k = 0; story->verdicts[k]; k++) {
			health_fsm_step(&fsm, &story->limits, verdict_of(story->verdicts[k]));
			if (state_char[fsm.state] != story->states[k])
				fail_msg("%s: step %zu: %s", story->name, k,
					 health_state_to_str(fsm.state));
		}
	}
}

static void test_restored_state_starts_without_evidence(void **arg)
{
	const struct health_limits limits = {.rise = 2, .fall = 3};
	struct health_fsm fsm;

	(void)arg;
	health_fsm_init(&fsm, HEALTH_DOWN);
	assert_int_equal(health_fsm_step(&fsm, &limits, VERDICT_OK), NEXT_FAST);
	assert_int_equal(fsm.state, HEALTH_RECOVERING);
	health_fsm_init(&fsm, HEALTH_RECOVERING);
	health_fsm_step(&fsm, &limits, VERDICT_OK);
	assert_int_equal(fsm.state, HEALTH_RECOVERING);
	health_fsm_step(&fsm, &limits, VERDICT_OK);
	assert_int_equal(fsm.state, HEALTH_UP);
}

/* An oracle that looks at the history only; it knows no states. */
struct history {
	unsigned int successes, failures;
	bool definitive; /* the last one was */
	bool out;
};

static void history_add(struct history *h, const struct health_limits *limits,
			enum health_verdict verdict)
{
	h->definitive = verdict == VERDICT_REFUSED || verdict == VERDICT_ERROR;
	h->successes = verdict == VERDICT_OK ? h->successes + 1 : 0;
	h->failures = verdict == VERDICT_OK ? 0 : h->failures + 1;
	if (h->out)
		h->out = h->successes < limits->rise;
	else
		h->out = h->failures >= limits->fall || (h->definitive && h->failures >= 2);
}

static uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static bool is_out(enum health_state state)
{
	return state == HEALTH_DOWN || state == HEALTH_RECOVERING;
}

static void check_properties(const struct health_fsm *fsm, enum health_next next,
			     enum health_verdict verdict, const struct history *h)
{
	assert_int_equal(is_out(fsm->state), h->out);
	assert_int_not_equal(fsm->state, HEALTH_UNKNOWN);
	assert_int_equal(fsm->state == HEALTH_SUSPECT, !h->out && verdict != VERDICT_OK);
	assert_int_equal(fsm->state == HEALTH_DOWN, h->out && verdict != VERDICT_OK);
	assert_int_equal(next == NEXT_SLOW, fsm->state == HEALTH_DOWN);
	assert_int_equal(next == NEXT_INTERVAL, fsm->state == HEALTH_UP);
	assert_int_equal(next == NEXT_NOW, fsm->state == HEALTH_SUSPECT && h->definitive);
}

/* Long runs of one verdict must occur, too, or nothing ever reaches a limit of 10. */
static enum health_verdict random_verdict(uint32_t *seed, enum health_verdict former)
{
	return random_next(seed) % 4 ? former : random_next(seed) % VERDICT_COUNT;
}

static void test_properties_of_random_verdicts(void **arg)
{
	uint32_t seed = 0x5eed;

	(void)arg;
	for (int limit = 0; limit < 100; limit++) {
		const struct health_limits limits = {1 + limit / 10, 1 + limit % 10, HOLD_NONE};
		enum health_verdict verdict = VERDICT_OK;
		struct history history = {};
		struct health_fsm fsm;

		health_fsm_init(&fsm, HEALTH_UNKNOWN);
		for (int i = 0; i < 5000; i++) {
			enum health_next next;

			verdict = random_verdict(&seed, verdict);
			history_add(&history, &limits, verdict);
			next = health_fsm_step(&fsm, &limits, verdict);
			check_properties(&fsm, next, verdict, &history);
		}
	}
}

static void test_counters_do_not_wrap(void **arg)
{
	const struct health_limits limits = {.rise = 10, .fall = 10};
	struct health_fsm fsm;

	(void)arg;
	health_fsm_init(&fsm, HEALTH_UNKNOWN);
	for (int i = 0; i < 1000; i++)
		health_fsm_step(&fsm, &limits, VERDICT_AMBIGUOUS);
	assert_int_equal(fsm.state, HEALTH_DOWN);
	assert_int_equal(fsm.failures, UINT8_MAX);
	for (int i = 0; i < 1000; i++) {
		health_fsm_step(&fsm, &limits, VERDICT_OK);
		assert_int_equal(fsm.state, i < 9 ? HEALTH_RECOVERING : HEALTH_UP);
	}
	assert_int_equal(fsm.successes, UINT8_MAX);
}

static void test_names(void **arg)
{
	(void)arg;
	assert_string_equal(health_state_to_str(HEALTH_UNKNOWN), "unknown");
	assert_string_equal(health_state_to_str(HEALTH_RECOVERING), "recovering");
	assert_string_equal(health_state_to_str(HEALTH_STATE_COUNT), "invalid");
	assert_string_equal(health_verdict_to_str(VERDICT_AMBIGUOUS), "ambiguous");
	assert_string_equal(health_verdict_to_str(VERDICT_COUNT), "invalid");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cell),
		cmocka_unit_test(test_no_cell_is_forgotten),
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_restored_state_starts_without_evidence),
		cmocka_unit_test(test_properties_of_random_verdicts),
		cmocka_unit_test(test_counters_do_not_wrap),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

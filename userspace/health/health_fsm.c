/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A counter turns verdicts into events; what an event means in a state is in the table and nowhere
 * else. New evidence becomes a new column.
 */
#include "health/health_fsm.h"

#include "base/cleanup.h"

#include <assert.h>

enum event {
	EVENT_OK,        /* a success, not yet `rise` in a row */
	EVENT_RISEN,     /* a success, at least `rise` in a row */
	EVENT_FAIL,      /* an ambiguous failure, not yet enough in a row */
	EVENT_CONFIRM,   /* a definitive failure after a success: a second opinion decides */
	EVENT_FALLEN,    /* a failure, enough of them in a row */
	EVENT_HELD_UP,   /* the same, but it is not to be taken out */
	EVENT_HELD_DOWN, /* enough successes, but it is not to come back yet */
	EVENT_COUNT
};

struct health_step {
	enum health_state state;
	enum health_next next;
};

/* clang-format off */
static const struct health_step table[HEALTH_STATE_COUNT][EVENT_COUNT] = {
	[HEALTH_UNKNOWN] = {
		[EVENT_OK]        = { HEALTH_UP,         NEXT_INTERVAL },
		[EVENT_RISEN]     = { HEALTH_UP,         NEXT_INTERVAL },
		[EVENT_FAIL]      = { HEALTH_SUSPECT,    NEXT_FAST },
		[EVENT_CONFIRM]   = { HEALTH_SUSPECT,    NEXT_NOW },
		[EVENT_FALLEN]    = { HEALTH_DOWN,       NEXT_SLOW },
		[EVENT_HELD_UP]   = { HEALTH_SUSPECT,    NEXT_INTERVAL },
		[EVENT_HELD_DOWN] = { HEALTH_UP,         NEXT_INTERVAL },
	},
	[HEALTH_UP] = {
		[EVENT_OK]        = { HEALTH_UP,         NEXT_INTERVAL },
		[EVENT_RISEN]     = { HEALTH_UP,         NEXT_INTERVAL },
		[EVENT_FAIL]      = { HEALTH_SUSPECT,    NEXT_FAST },
		[EVENT_CONFIRM]   = { HEALTH_SUSPECT,    NEXT_NOW },
		[EVENT_FALLEN]    = { HEALTH_DOWN,       NEXT_SLOW },
		[EVENT_HELD_UP]   = { HEALTH_SUSPECT,    NEXT_INTERVAL },
		[EVENT_HELD_DOWN] = { HEALTH_UP,         NEXT_INTERVAL },
	},
	[HEALTH_SUSPECT] = {
		[EVENT_OK]        = { HEALTH_UP,         NEXT_INTERVAL },
		[EVENT_RISEN]     = { HEALTH_UP,         NEXT_INTERVAL },
		[EVENT_FAIL]      = { HEALTH_SUSPECT,    NEXT_FAST },
		[EVENT_CONFIRM]   = { HEALTH_SUSPECT,    NEXT_NOW },
		[EVENT_FALLEN]    = { HEALTH_DOWN,       NEXT_SLOW },
		[EVENT_HELD_UP]   = { HEALTH_SUSPECT,    NEXT_INTERVAL },
		[EVENT_HELD_DOWN] = { HEALTH_UP,         NEXT_INTERVAL },
	},
	[HEALTH_DOWN] = {
		[EVENT_OK]        = { HEALTH_RECOVERING, NEXT_FAST },
		[EVENT_RISEN]     = { HEALTH_UP,         NEXT_INTERVAL },
		[EVENT_FAIL]      = { HEALTH_DOWN,       NEXT_SLOW },
		[EVENT_CONFIRM]   = { HEALTH_DOWN,       NEXT_SLOW },
		[EVENT_FALLEN]    = { HEALTH_DOWN,       NEXT_SLOW },
		[EVENT_HELD_UP]   = { HEALTH_DOWN,       NEXT_SLOW },
		[EVENT_HELD_DOWN] = { HEALTH_RECOVERING, NEXT_INTERVAL },
	},
	[HEALTH_RECOVERING] = {
		[EVENT_OK]        = { HEALTH_RECOVERING, NEXT_FAST },
		[EVENT_RISEN]     = { HEALTH_UP,         NEXT_INTERVAL },
		[EVENT_FAIL]      = { HEALTH_DOWN,       NEXT_SLOW },
		[EVENT_CONFIRM]   = { HEALTH_DOWN,       NEXT_SLOW },
		[EVENT_FALLEN]    = { HEALTH_DOWN,       NEXT_SLOW },
		[EVENT_HELD_UP]   = { HEALTH_DOWN,       NEXT_SLOW },
		[EVENT_HELD_DOWN] = { HEALTH_RECOVERING, NEXT_INTERVAL },
	},
};
/* clang-format on */

static const char *const state_str[] = {
	[HEALTH_UNKNOWN] = "unknown",       [HEALTH_UP] = "up",
	[HEALTH_SUSPECT] = "suspect",       [HEALTH_DOWN] = "down",
	[HEALTH_RECOVERING] = "recovering",
};
static_assert(ARRAY_SIZE(state_str) == HEALTH_STATE_COUNT, "every state has a name");

static const char *const verdict_str[] = {
	[VERDICT_OK] = "ok",
	[VERDICT_REFUSED] = "refused",
	[VERDICT_ERROR] = "error",
	[VERDICT_AMBIGUOUS] = "ambiguous",
};
static_assert(ARRAY_SIZE(verdict_str) == VERDICT_COUNT, "every verdict has a name");

const char *health_state_to_str(enum health_state state)
{
	return state < HEALTH_STATE_COUNT ? state_str[state] : "invalid";
}

const char *health_verdict_to_str(enum health_verdict verdict)
{
	return verdict < VERDICT_COUNT ? verdict_str[verdict] : "invalid";
}

void health_fsm_init(struct health_fsm *fsm, enum health_state state)
{
	assert(state < HEALTH_STATE_COUNT);
	*fsm = (struct health_fsm){.state = state};
}

static uint8_t count_up(uint8_t count)
{
	return count == UINT8_MAX ? count : count + 1;
}

static void count(struct health_fsm *fsm, enum health_verdict verdict)
{
	fsm->last = verdict;
	fsm->successes = verdict == VERDICT_OK ? count_up(fsm->successes) : 0;
	fsm->failures = verdict == VERDICT_OK ? 0 : count_up(fsm->failures);
}

/* A definitive failure confirms whatever failure came before it, so two are enough. */
static enum event event_of(const struct health_fsm *fsm, const struct health_limits *limits)
{
	bool definitive = fsm->last == VERDICT_REFUSED || fsm->last == VERDICT_ERROR;

	if (fsm->last == VERDICT_OK && fsm->successes < limits->rise)
		return EVENT_OK;
	if (fsm->last == VERDICT_OK)
		return limits->hold == HOLD_DOWN ? EVENT_HELD_DOWN : EVENT_RISEN;
	if (fsm->failures >= limits->fall && !definitive && limits->hold == HOLD_SUSPECT)
		return EVENT_HELD_UP;
	if (fsm->failures >= limits->fall || (definitive && fsm->failures > 1))
		return EVENT_FALLEN;
	return definitive ? EVENT_CONFIRM : EVENT_FAIL;
}

bool health_fsm_would_fall(const struct health_fsm *fsm, const struct health_limits *limits)
{
	bool in = fsm->state != HEALTH_DOWN && fsm->state != HEALTH_RECOVERING;

	return in && fsm->failures + 1 >= limits->fall;
}

enum health_next health_fsm_step(struct health_fsm *fsm, const struct health_limits *limits,
				 enum health_verdict verdict)
{
	const struct health_step *step;

	assert(verdict < VERDICT_COUNT);
	count(fsm, verdict);
	step = &table[fsm->state][event_of(fsm, limits)];
	fsm->state = step->state;
	return step->next;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of one backend and how evidence moves it: a pure table (health_fsm.c), fed with
 * verdicts of probes. It only demotes: what Kubernetes calls not ready never gets here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum health_state {
	HEALTH_UNKNOWN,    /* no evidence yet: used */
	HEALTH_UP,         /* used */
	HEALTH_SUSPECT,    /* failures, not yet enough of them: second choice */
	HEALTH_DOWN,       /* out */
	HEALTH_RECOVERING, /* out, successes, not yet enough of them */
	HEALTH_STATE_COUNT
};

/* What one probe says. */
enum health_verdict {
	VERDICT_OK,
	VERDICT_REFUSED,   /* definitive: nothing listens there */
	VERDICT_ERROR,     /* definitive: it answers that it does not work (status, protocol) */
	VERDICT_AMBIGUOUS, /* time-out, reset, unreachable: may be the network, or us */
	VERDICT_COUNT
};

/* When the next probe is due. */
enum health_next {
	NEXT_UNSET,    /* no cell of the table may have it */
	NEXT_INTERVAL, /* after the interval */
	NEXT_FAST,     /* soon: doubt has to be cleared */
	NEXT_NOW,      /* at once: confirm a definitive failure */
	NEXT_SLOW,     /* it is down: back off */
};

/* What else there is to say about a verdict. */
enum health_hold {
	HOLD_NONE,
	HOLD_SUSPECT, /* ambiguous failures do not take it out, however many */
	HOLD_DOWN,    /* successes do not bring it back, however many */
};

struct health_limits {
	uint8_t rise; /* successes in a row that bring a backend back */
	uint8_t fall; /* failures in a row that take it out, when none of them is definitive */
	enum health_hold hold;
};

struct health_fsm {
	enum health_state state;
	enum health_verdict last; /* meaningful once a verdict came */
	uint8_t successes;        /* in a row */
	uint8_t failures;         /* in a row */
};

/* Whether an ambiguous failure, the next verdict, would take it out for the first time. */
bool health_fsm_would_fall(const struct health_fsm *fsm, const struct health_limits *limits);

const char *health_state_to_str(enum health_state state);
const char *health_verdict_to_str(enum health_verdict verdict);

void health_fsm_init(struct health_fsm *fsm, enum health_state state);

/*
 * Takes one verdict. All failures count together. A definitive one takes the backend out when any
 * failure came right before it, or alone if fall is 1. Limits of 0 act as 1. Returns when to probe
 * again; the state changed if it differs from before.
 */
enum health_next health_fsm_step(struct health_fsm *fsm, const struct health_limits *limits,
				 enum health_verdict verdict);

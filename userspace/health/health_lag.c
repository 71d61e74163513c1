/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_lag.h"

#include "base/duration.h"

/* A loop that has work to do is late by this much without being ill. */
#define SLEPT_MIN (10 * NSEC_PER_MSEC)

enum { SCORE_MAX = 8 };

unsigned int health_lag_factor(const struct health_lag *lag, uint64_t now)
{
	uint64_t seconds = (now - lag->noted) / NSEC_PER_SEC;

	return 1 + (seconds < lag->score ? lag->score - (unsigned int)seconds : 0);
}

void health_lag_note(struct health_lag *lag, uint64_t now)
{
	unsigned int score = health_lag_factor(lag, now);

	lag->score = (uint8_t)(score < SCORE_MAX ? score : SCORE_MAX);
	lag->noted = now;
}

void health_lag_pulse(struct health_lag *lag, uint64_t due, uint64_t now)
{
	/* Less says nothing, and must not hide the last time that did. */
	if (now < due + SLEPT_MIN)
		return;
	lag->slept_until = now;
	lag->slept = now - due;
}

bool health_lag_slept(const struct health_lag *lag, uint64_t started, uint64_t timeout)
{
	return lag->slept_until > started && lag->slept >= timeout / 2;
}

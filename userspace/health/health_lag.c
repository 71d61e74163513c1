/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_lag.h"

#include "base/duration.h"

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

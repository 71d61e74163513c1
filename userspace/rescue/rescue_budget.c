/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/rescue_budget.h"

#include "base/duration.h"

static uint64_t sum(const uint32_t *buckets)
{
	uint64_t all = 0;

	for (int i = 0; i < RESCUE_BUDGET_SECONDS; i++)
		all += buckets[i];
	return all;
}

/* Empties the buckets of seconds that have begun since. */
static void advance(struct rescue_budget *budget, uint64_t second)
{
	uint64_t steps = budget->running ? second - budget->started : RESCUE_BUDGET_SECONDS;

	for (uint64_t i = 0; i < steps && i < RESCUE_BUDGET_SECONDS; i++) {
		uint64_t bucket = (second - i) % RESCUE_BUDGET_SECONDS;

		budget->requests[bucket] = 0;
		budget->replays[bucket] = 0;
	}
	budget->started = second;
}

/* What came since the last look counts as of now, though at most as of the last 10 s. */
static void count_requests(struct rescue_budget *budget, uint64_t requests, uint64_t second)
{
	uint64_t fresh = requests - budget->total;
	uint32_t *bucket = &budget->requests[second % RESCUE_BUDGET_SECONDS];

	budget->total = requests;
	*bucket = fresh > UINT32_MAX - *bucket ? UINT32_MAX : *bucket + (uint32_t)fresh;
}

bool rescue_budget_begin(struct rescue_budget *budget, uint32_t percent, uint64_t requests,
			 uint64_t now)
{
	uint64_t second = now / NSEC_PER_SEC;

	advance(budget, second);
	count_requests(budget, requests, second);
	budget->running = true;
	/* A request is replayed once: 100 % is no limit, whenever the two are counted. */
	if (percent < 100 && budget->at_once >= RESCUE_BUDGET_LEAST &&
	    sum(budget->replays) >= sum(budget->requests) * percent / 100)
		return false;
	if (!percent)
		return false;
	budget->replays[second % RESCUE_BUDGET_SECONDS]++;
	budget->at_once++;
	return true;
}

void rescue_budget_end(struct rescue_budget *budget)
{
	budget->at_once--;
}

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
	uint64_t steps = second - budget->started;

	for (uint64_t i = 0; i < steps && i < RESCUE_BUDGET_SECONDS; i++) {
		uint64_t bucket = (second - i) % RESCUE_BUDGET_SECONDS;

		budget->requests[bucket] = 0;
		budget->replays[bucket] = 0;
	}
	budget->started = second;
}

static void add(uint32_t *bucket, uint64_t count)
{
	*bucket = count > UINT32_MAX - *bucket ? UINT32_MAX : *bucket + (uint32_t)count;
}

/* Each second since the last look has an equal part of what came; those that are too old drop theirs. */
static void spread(struct rescue_budget *budget, uint64_t fresh, uint64_t second, uint64_t steps)
{
	for (uint64_t i = 0; i < steps && i < RESCUE_BUDGET_SECONDS; i++) {
		uint64_t part = fresh / steps + (i < fresh % steps);

		add(&budget->requests[(second - i) % RESCUE_BUDGET_SECONDS], part);
	}
}

struct rescue_budget rescue_budget_from(uint64_t now)
{
	return (struct rescue_budget){.started = now / NSEC_PER_SEC};
}

void rescue_budget_count(struct rescue_budget *budget, uint64_t requests, uint64_t now)
{
	uint64_t second = now / NSEC_PER_SEC;
	uint64_t fresh = requests - budget->total;
	uint64_t steps = second - budget->started;

	advance(budget, second);
	budget->total = requests;
	spread(budget, fresh, second, steps ? steps : 1);
}

bool rescue_budget_begin(struct rescue_budget *budget, uint32_t percent, uint64_t requests,
			 uint64_t now)
{
	rescue_budget_count(budget, requests, now);
	/* A request is replayed once: 100 % is no limit, whenever the two are counted. */
	if (percent < 100 && budget->at_once >= RESCUE_BUDGET_LEAST &&
	    sum(budget->replays) >= sum(budget->requests) * percent / 100)
		return false;
	if (!percent)
		return false;
	budget->replays[budget->started % RESCUE_BUDGET_SECONDS]++;
	budget->at_once++;
	return true;
}

void rescue_budget_end(struct rescue_budget *budget)
{
	budget->at_once--;
}

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

/* With 100 % there is no limit, whatever the number of backends. */
static bool has_share(const struct rescue_budget *budget, uint32_t percent)
{
	return percent >= 100 || sum(budget->replays) < sum(budget->requests) * percent / 100;
}

static void charge(struct rescue_budget *budget)
{
	budget->replays[budget->started % RESCUE_BUDGET_SECONDS]++;
}

bool rescue_budget_begin(struct rescue_budget *budget, uint32_t percent, uint64_t requests,
			 uint64_t now)
{
	rescue_budget_count(budget, requests, now);
	if (!percent || (budget->at_once >= RESCUE_BUDGET_LEAST && !has_share(budget, percent)))
		return false;
	charge(budget);
	budget->at_once++;
	return true;
}

bool rescue_budget_further(struct rescue_budget *budget, uint32_t percent, uint64_t requests,
			   uint64_t now)
{
	rescue_budget_count(budget, requests, now);
	if (!percent ||
	    (sum(budget->replays) >= RESCUE_BUDGET_FURTHER && !has_share(budget, percent)))
		return false;
	charge(budget);
	return true;
}

void rescue_budget_end(struct rescue_budget *budget)
{
	budget->at_once--;
}

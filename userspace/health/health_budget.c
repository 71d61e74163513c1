/* SPDX-License-Identifier: Apache-2.0 */
/* The bucket is one number: each token moves `empty` ahead by the time in which it comes back. */
#include "health/health_budget.h"

#include "base/duration.h"

/* How far ahead of the clock `empty` may be for a token to be left. */
#define BURST (100 * NSEC_PER_MSEC)

struct health_budget health_budget_of(unsigned int rate)
{
	return (struct health_budget){.gap = rate ? NSEC_PER_SEC / rate : 0};
}

bool health_budget_take(struct health_budget *budget, uint64_t now)
{
	if (!budget->gap)
		return true;
	if (health_budget_next(budget) > now)
		return false;
	if (budget->empty < now)
		budget->empty = now;
	budget->empty += budget->gap;
	return true;
}

uint64_t health_budget_next(const struct health_budget *budget)
{
	return budget->empty > BURST ? budget->empty - BURST : 0;
}

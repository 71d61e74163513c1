/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests of a service may be replayed: a share of those of the last 10 s, so that a
 * service that fails as a whole does not get twice the load; and a few in any case, so that one that
 * is seldom used is helped, too: as the first one for a request RESCUE_BUDGET_LEAST at once, as a
 * further one while there were less than RESCUE_BUDGET_FURTHER in the last 10 s. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { RESCUE_BUDGET_SECONDS = 10, RESCUE_BUDGET_LEAST = 3, RESCUE_BUDGET_FURTHER = 10 };

/* Starts with rescue_budget_from(). */
struct rescue_budget {
	uint64_t total;   /* requests up to the last look */
	uint64_t started; /* second of the current bucket */
	uint32_t requests[RESCUE_BUDGET_SECONDS];
	uint32_t replays[RESCUE_BUDGET_SECONDS];
	uint32_t at_once;
};

/* The budget of a service that had no request until then. */
struct rescue_budget rescue_budget_from(uint64_t now);

/*
 * A look: `requests` counts all of the service so far. What came since the look before counts as
 * spread over that time, so looks are to be taken every second.
 */
void rescue_budget_count(struct rescue_budget *budget, uint64_t requests, uint64_t now);

/*
 * Asks for one replay, and looks. `requests` is as above, `percent` is the service's share. Returns
 * whether it may start; then rescue_budget_end() is due at its end.
 */
bool rescue_budget_begin(struct rescue_budget *budget, uint32_t percent, uint64_t requests,
			 uint64_t now);

/* Asks for one more for the same request, on yet another backend. */
bool rescue_budget_further(struct rescue_budget *budget, uint32_t percent, uint64_t requests,
			   uint64_t now);
void rescue_budget_end(struct rescue_budget *budget);

/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_pick.h"

#include <stdbool.h>

/* From best to worst. */
enum { USABLE, SUSPECT, EJECTED, DOWN, TERMINATING, REFUSED, ABSENT };

static unsigned int health_rank(uint32_t health)
{
	switch (health) {
	case SW_HEALTH_UNKNOWN:
	case SW_HEALTH_UP:
		return USABLE;
	case SW_HEALTH_SUSPECT:
		return SUSPECT;
	case SW_HEALTH_DOWN:
		return DOWN;
	case SW_HEALTH_REFUSED:
		return REFUSED;
	default:
		return ABSENT;
	}
}

static bool was_tried(const struct dp_pick *pick, uint32_t backend)
{
	for (size_t i = 0; i < pick->tried_count; i++) {
		if (pick->tried[i] == backend)
			return true;
	}
	return false;
}

/* The maps change under us: an element that was given away is told by its service. */
static unsigned int slot_rank(const struct dp_pick *pick, uint32_t position, uint32_t index)
{
	const struct sw_backend *backend = &pick->backends[index];
	unsigned int rank;

	if (!index || index >= SW_MAX_BACKENDS || backend->service != pick->frontend->service ||
	    was_tried(pick, index))
		return ABSENT;
	rank = health_rank(backend->health);
	if (backend->ejected_until > pick->now && rank < EJECTED)
		rank = EJECTED;
	if (position >= pick->frontend->ready && rank < TERMINATING)
		rank = TERMINATING;
	return rank;
}

uint32_t dp_pick(const struct dp_pick *pick)
{
	uint32_t count = pick->frontend->ready + pick->frontend->terminating, found = 0;
	unsigned int best = ABSENT;

	if (count > SW_MAX_SLOTS || pick->frontend->slot_base > SW_MAX_SLOTS - count)
		return 0;
	for (uint32_t i = 0; i < count && best != USABLE; i++) {
		uint32_t position = (uint32_t)(((uint64_t)pick->random + i) % count);
		uint32_t index = pick->slots[pick->frontend->slot_base + position].backend;
		unsigned int rank = slot_rank(pick, position, index);

		if (rank < best) {
			best = rank;
			found = index;
		}
	}
	return found;
}

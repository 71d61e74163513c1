/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_pick.h"

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

	if (!index || index >= SW_MAX_BACKENDS || backend->service != pick->frontend->service)
		return ABSENT;
	rank = health_rank(backend->health);
	if (backend->ejected_until > pick->now && rank < EJECTED)
		rank = EJECTED;
	if (position >= pick->frontend->ready && rank < TERMINATING)
		rank = TERMINATING;
	return rank;
}

/* How many slots the frontend has; 0 if that can not be. */
static uint32_t slot_count(const struct sw_frontend *frontend)
{
	uint32_t count = frontend->ready + frontend->terminating;

	return count <= SW_MAX_SLOTS && frontend->slot_base <= SW_MAX_SLOTS - count ? count : 0;
}

static uint32_t backend_at(const struct dp_pick *pick, uint32_t position)
{
	return pick->slots[pick->frontend->slot_base + position].backend;
}

uint32_t dp_pick(const struct dp_pick *pick)
{
	uint32_t count = slot_count(pick->frontend), found = 0;
	unsigned int best = ABSENT;

	for (uint32_t i = 0; i < count && best != USABLE; i++) {
		uint32_t position = (uint32_t)(((uint64_t)pick->random + i) % count);
		uint32_t index = backend_at(pick, position);
		unsigned int rank = slot_rank(pick, position, index);

		if (rank < best && !was_tried(pick, index)) {
			best = rank;
			found = index;
		}
	}
	return found;
}

static bool has_been_well(const struct sw_backend *backend, uint64_t since)
{
	return backend->changed <= since && backend->ejected_until <= since &&
	       backend->suspect_until <= since;
}

bool dp_pick_has_been_usable(const struct dp_pick *pick, uint32_t backend, uint64_t since)
{
	uint32_t count = slot_count(pick->frontend);

	for (uint32_t i = 0; i < count; i++) {
		if (backend_at(pick, i) == backend)
			return slot_rank(pick, i, backend) == USABLE &&
			       has_been_well(&pick->backends[backend], since);
	}
	return false;
}

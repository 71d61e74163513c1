/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of each backend: health and excuses are stores into mapped arrays, which the next
 * connection sees; all else is read from where BPF counts.
 */
#include "datapath/datapath_state.h"

void datapath_set_health(struct datapath *datapath, uint32_t backend, enum sw_health health,
			 uint64_t now)
{
	struct sw_backend *element = &datapath->maps.backends[backend];

	/* `changed` is when a warm-up begins, too: one that is over must not begin anew. */
	if (now - element->changed >= (uint64_t)element->warmup << SW_WARMUP_SHIFT)
		element->warmup = 0;
	element->changed = now;
	__atomic_store_n(&element->health, health, __ATOMIC_RELEASE);
}

void datapath_readmit(struct datapath *datapath, uint32_t backend, uint64_t warmup, uint64_t now)
{
	struct sw_backend *element = &datapath->maps.backends[backend];

	element->changed = now;
	element->warmup = (uint32_t)(warmup >> SW_WARMUP_SHIFT);
	__atomic_store_n(&element->health, SW_HEALTH_UP, __ATOMIC_RELEASE);
}

enum sw_health datapath_health(const struct datapath *datapath, uint32_t backend)
{
	return datapath->maps.backends[backend].health;
}

uint64_t datapath_ejected_until(const struct datapath *datapath, uint32_t backend)
{
	return __atomic_load_n(&datapath->maps.backends[backend].ejected_until, __ATOMIC_RELAXED);
}

bool datapath_is_lowered(const struct datapath *datapath, uint32_t backend)
{
	return datapath->maps.backends[backend].lowered;
}

void datapath_excuse(struct datapath *datapath, uint32_t backend, uint64_t excused, uint64_t now)
{
	datapath->maps.backend_load[backend].excused_until = excused;
	datapath->maps.backends[backend].trial = SW_TRIAL_NONE;
	__atomic_store_n(&datapath->maps.backends[backend].ejected_until, now, __ATOMIC_RELEASE);
}

uint32_t datapath_generation(const struct datapath *datapath, uint32_t backend)
{
	return datapath->maps.backends[backend].generation;
}

const struct sw_backend_load *datapath_load(const struct datapath *datapath, uint32_t backend)
{
	return &datapath->maps.backend_load[backend];
}

uint64_t datapath_connects(const struct datapath *datapath, uint32_t backend)
{
	return datapath->maps.backend_load[backend].connects;
}

const struct sw_service *datapath_service(const struct datapath *datapath, uint32_t service)
{
	return &datapath->maps.services[service];
}

_Static_assert(sizeof(uint64_t) == sizeof(__u64), "the same number to both sides");

const uint64_t *datapath_last_used(const struct datapath *datapath, uint32_t backend)
{
	uint32_t service = datapath->maps.backends[backend].service;

	return (const uint64_t *)&datapath->maps.services[service].last_used;
}

const uint64_t *datapath_last_success(const struct datapath *datapath, uint32_t backend)
{
	return (const uint64_t *)&datapath_load(datapath, backend)->last_success;
}

const uint64_t *datapath_last_good(const struct datapath *datapath, uint32_t backend)
{
	return (const uint64_t *)&datapath_load(datapath, backend)->last_good;
}

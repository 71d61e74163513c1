/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Session affinity by client, as in kube-proxy: all frontends of a service port share it, and each
 * new connection renews it. Unlike there, it gives way when the backend can not be used.
 *
 * Two CPUs may pin a client at once. So that both come to the same backend, the choice is drawn with
 * numbers that both have: the client's own, and when it was pinned before, so that it may get another
 * backend each time. See affinity_seed().
 */
#pragma once

#include "maps.bpf.h"
#include "swerve_abi.h"

enum {
	/*
	 * So many slots are searched for the backend. With more, it counts as an endpoint of the
	 * frontend as long as it is one of the service, also when it terminates.
	 */
	AFFINITY_SEARCH = 64,
	AFFINITY_NOWHERE = 0xffffffff,
};

/* One client of one service port. */
struct affinity {
	struct sw_affinity_key key;
	__u64 timeout;   /* ns; 0: the service has none */
	__u64 last_used; /* of the pin that there was, also if it is over; 0: there was none */
};

static __always_inline void affinity_begin(struct affinity *affinity, __u64 client, __u32 service,
					   __u32 seconds)
{
	affinity->key.client = client;
	affinity->key.service = service;
	affinity->timeout = (__u64)seconds * 1000000000;
}

/* Returns NULL if the client has none, or none any more. */
static __always_inline const struct sw_affinity *affinity_find(struct affinity *affinity, __u64 now)
{
	const struct sw_affinity *pinned = bpf_map_lookup_elem(&sw_affinity, &affinity->key);

	if (!pinned)
		return 0;
	affinity->last_used = *(const volatile __u64 *)&pinned->last_used;
	return now < affinity->last_used + affinity->timeout ? pinned : 0;
}

/*
 * Which slot of the frontend has the backend, AFFINITY_NOWHERE if none has. The frontends of a
 * service port may have different endpoints, as traffic policies have it.
 */
static __noinline __u32 affinity_position(const struct sw_frontend *frontend, __u32 backend)
{
	__u32 count, index;

	if (!frontend)
		return AFFINITY_NOWHERE;
	count = frontend->ready + frontend->terminating;
	if (count > AFFINITY_SEARCH)
		return 0;
	for (__u32 i = 0; i < AFFINITY_SEARCH && i < count; i++) {
		struct sw_slot *slot;

		index = frontend->slot_base + i;
		slot = bpf_map_lookup_elem(&sw_slots, &index);
		if (slot && slot->backend == backend)
			return i;
	}
	return AFFINITY_NOWHERE;
}

/* The finalizer of MurmurHash3: neighbouring cookies get unrelated numbers. Never 0. */
static __always_inline __u32 affinity_seed(const struct affinity *affinity)
{
	__u64 hash = affinity->key.client ^ (__u64)affinity->key.service << 40;

	hash ^= affinity->last_used * 0x9e3779b97f4a7c15ULL;
	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdULL;
	hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return (__u32)(hash >> 32) | 1;
}

/*
 * Concurrent calls may leave backend and generation of two backends: then it is pinned anew. The time
 * is written last: who still sees the old one draws with it, and comes to the same backend.
 */
static __always_inline void affinity_pin(const struct affinity *affinity, __u32 backend,
					 __u32 generation, __u64 now)
{
	struct sw_affinity value = {.last_used = now, .backend = backend, .generation = generation};
	struct sw_affinity *pinned = bpf_map_lookup_elem(&sw_affinity, &affinity->key);

	if (pinned) {
		pinned->backend = backend;
		pinned->generation = generation;
		*(volatile __u64 *)&pinned->last_used = now;
	} else {
		bpf_map_update_elem(&sw_affinity, &affinity->key, &value, BPF_ANY);
	}
}

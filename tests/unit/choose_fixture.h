/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF core of the choice, compiled natively: the same source as in the kernel, with the maps
 * as plain memory.
 */
#pragma once

#include <linux/types.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *fake_lookup(const void *map, const void *key);
static inline long fake_update(void *map, const void *key, const void *value, __u64 flags);
static inline __u32 fake_random(void);
static inline __u64 fake_time(void);

#define bpf_map_lookup_elem fake_lookup
#define bpf_map_update_elem fake_update
#define bpf_get_prandom_u32 fake_random
#define bpf_ktime_get_ns    fake_time

#include "choose.bpf.h"

enum { SLOTS = 512, BACKENDS = 512, SERVICES = 4, BASE = 100, SERVICE = 1, CLIENTS = 256 };

static struct sw_frontend_key frontend_key = {.port = 80, .proto = 6};
static struct sw_frontend frontend;
static bool frontend_exists;
static struct sw_service services[SERVICES];
static struct sw_slot slots[SLOTS];
static struct sw_backend backends[BACKENDS];
static struct sw_backend_load load[BACKENDS];
static struct sw_turn turns[SERVICES];
static struct sw_config config;
/* Rows of sw_affinity, in no order; a key of 0 is free. */
static struct {
	struct sw_affinity_key key;
	struct sw_affinity value;
} affinities[CLIENTS];
static __u64 now;
static unsigned int seed;
static __u32 wrong_check;

static inline void *element(void *array, size_t size, size_t count, const void *key)
{
	__u32 index;

	memcpy(&index, key, sizeof(index));
	return index < count ? (char *)array + index * size : NULL;
}

static inline struct sw_affinity *fake_affinity(const struct sw_affinity_key *key)
{
	for (int i = 0; i < CLIENTS; i++) {
		if (!memcmp(&affinities[i].key, key, sizeof(*key)))
			return &affinities[i].value;
	}
	return NULL;
}

static inline long fake_update(void *map, const void *key, const void *value, __u64 flags)
{
	static const struct sw_affinity_key none;
	struct sw_affinity *row = fake_affinity(key);

	(void)flags;
	assert_ptr_equal(map, &sw_affinity);
	if (!row) {
		row = fake_affinity(&none);
		assert_non_null(row);
		memcpy((char *)row - sizeof(none), key, sizeof(none));
	}
	memcpy(row, value, sizeof(*row));
	return 0;
}

static inline void *fake_lookup(const void *map, const void *key)
{
	if (map == &sw_affinity)
		return fake_affinity(key);
	if (map == &sw_frontends) {
		bool ours = !memcmp(key, &frontend_key, sizeof(frontend_key));

		return frontend_exists && ours ? &frontend : NULL;
	}
	if (map == &sw_nodes)
		return NULL;
	if (map == &sw_services)
		return element(services, sizeof(services[0]), SERVICES, key);
	if (map == &sw_turns)
		return element(turns, sizeof(turns[0]), SERVICES, key);
	if (map == &sw_slots)
		return element(slots, sizeof(slots[0]), SLOTS, key);
	if (map == &sw_backends)
		return element(backends, sizeof(backends[0]), BACKENDS, key);
	if (map == &sw_backend_load)
		return element(load, sizeof(load[0]), BACKENDS, key);
	assert_ptr_equal(map, &sw_config);
	return element(&config, sizeof(config), 1, key);
}

static inline __u32 fake_random(void)
{
	return (__u32)rand_r(&seed) << 16 ^ (__u32)rand_r(&seed);
}

static inline __u64 fake_time(void)
{
	return now;
}

static inline int setup(void **state)
{
	(void)state;
	memset(services, 0, sizeof(services));
	memset(slots, 0, sizeof(slots));
	memset(backends, 0, sizeof(backends));
	memset(load, 0, sizeof(load));
	memset(turns, 0, sizeof(turns));
	memset(affinities, 0, sizeof(affinities));
	now = 1000000000000ULL;
	seed = 1;
	wrong_check = 0;
	config = (struct sw_config){.abi_version = SW_ABI_VERSION, .heartbeat = now};
	frontend_exists = true;
	frontend = (struct sw_frontend){.service = SERVICE, .slot_base = BASE};
	return 0;
}

/* Backends 1 … ready + terminating in the slots, all up. */
static inline void serve(__u32 ready, __u32 terminating)
{
	frontend.usable = frontend.ready = ready;
	frontend.terminating = terminating;
	for (__u32 i = 0; i < ready + terminating; i++) {
		slots[BASE + i].backend = i + 1;
		backends[i + 1] = (struct sw_backend){
			.port = (__u16)(8000 + i), .service = SERVICE, .health = SW_HEALTH_UP};
	}
}

static inline struct choice choose_for(const struct asker *asker, int expected)
{
	struct choice choice = {};

	frontend.check = sw_frontend_check(&frontend_key, &frontend) + wrong_check;
	assert_int_equal(choose_backend(&frontend_key, asker, &choice), expected);
	return choice;
}

static inline struct choice choose(int expected)
{
	return choose_for(&(struct asker){}, expected);
}

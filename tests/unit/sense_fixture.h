/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules by which connections eject backends: the BPF core, compiled natively, with the maps as
 * plain memory and a clock that stands still unless it is moved.
 */
#pragma once

#include <linux/types.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <stdbool.h>
#include <string.h>

static inline void *fake_lookup(const void *map, const void *key);
static inline void *fake_reserve(const void *map, __u64 size, __u64 flags);

#define bpf_map_lookup_elem              fake_lookup
#define bpf_get_prandom_u32()            ((__u32)random_value)
#define bpf_ktime_get_ns()               now
#define bpf_spin_lock(lock)              (void)(lock)
#define bpf_spin_unlock(lock)            (void)(lock)
#define bpf_ringbuf_reserve              fake_reserve
#define bpf_ringbuf_submit(event, flags) (void)(event)

static __u64 now;
static __u64 random_value;

#include "sense.bpf.h"

#define MS     1000000ULL
#define SECOND (1000 * MS)

enum { BACKENDS = 256, BASE = 10, SERVICE = 1, GENERATION = 7 };

static struct sw_service services[2];
static struct sw_slot slots[BASE + BACKENDS];
static struct sw_backend backends[BACKENDS];
static struct sw_backend_load load[BACKENDS];
static struct sw_outlier outlier[2];
static struct sw_event events[64];
static size_t told;

static inline void *element(void *array, size_t size, size_t count, const void *key)
{
	__u32 index;

	memcpy(&index, key, sizeof(index));
	return index < count ? (char *)array + index * size : NULL;
}

static inline void *fake_lookup(const void *map, const void *key)
{
	if (map == &sw_services)
		return element(services, sizeof(services[0]), 2, key);
	if (map == &sw_slots)
		return element(slots, sizeof(slots[0]), BASE + BACKENDS, key);
	if (map == &sw_backends)
		return element(backends, sizeof(backends[0]), BACKENDS, key);
	if (map == &sw_backend_load)
		return element(load, sizeof(load[0]), BACKENDS, key);
	assert_ptr_equal(map, &sw_outlier);
	return element(outlier, sizeof(outlier[0]), 2, key);
}

static inline void *fake_reserve(const void *map, __u64 size, __u64 flags)
{
	assert_ptr_equal(map, &sw_events);
	assert_int_equal(size, sizeof(events[0]));
	assert_int_equal(flags, 0);
	return told < 64 ? &events[told++] : NULL;
}

/* A service with backends 1 … n, all up, that ejects after three 5xx. */
static inline void serve(__u32 n)
{
	memset(services, 0, sizeof(services));
	memset(backends, 0, sizeof(backends));
	memset(load, 0, sizeof(load));
	memset(outlier, 0, sizeof(outlier));
	told = 0;
	now = 1000 * SECOND;
	random_value = 0;
	services[SERVICE].policy.outlier_5xx = 3;
	services[SERVICE].slot_base = BASE;
	services[SERVICE].ready = n;
	for (__u32 i = 1; i <= n; i++) {
		slots[BASE + i - 1].backend = i;
		backends[i] = (struct sw_backend){
			.service = SERVICE, .generation = GENERATION, .health = SW_HEALTH_UP};
	}
}

static inline struct sw_socket socket_of(__u32 backend)
{
	return (struct sw_socket){.backend = backend, .service = SERVICE, .generation = GENERATION};
}

static inline void fail_times(__u32 backend, unsigned int times, __u32 evidence)
{
	struct sw_socket socket = socket_of(backend);

	while (times--)
		sense_failure(&socket, evidence, evidence == SW_EVIDENCE_STATUS ? 500 : 0);
}

static inline void succeed(__u32 backend, int kind)
{
	struct sw_socket socket = socket_of(backend);

	sense_success(&socket, kind);
}

static inline void doubt(__u32 backend, __u32 evidence)
{
	struct sw_socket socket = socket_of(backend);

	sense_doubt(&socket, evidence);
}

static inline bool is_out(__u32 backend)
{
	return backends[backend].ejected_until > now;
}

static inline unsigned int count_out(__u32 n)
{
	unsigned int out = 0;

	for (__u32 i = 1; i <= n; i++)
		out += is_out(i);
	return out;
}

static inline size_t count_events(__u32 kind)
{
	size_t count = 0;

	for (size_t i = 0; i < told; i++)
		count += events[i].kind == kind;
	return count;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which backend answers a connection: the core of the datapath. It takes no context, so that it
 * also runs in test programs and, compiled natively, under sanitizers.
 *
 * A connection never fails while an endpoint exists that might work: what is not usable is ranked,
 * not excluded. A slot or backend may be freed and given to another service between two loads
 * here; such a backend is recognised by its `service` and counts as absent.
 */
#pragma once

#include "maps.bpf.h"
#include "swerve_abi.h"

#include <stdbool.h>

enum {
	CHOOSE_TRIES = 4,   /* random draws among the slots that should be usable */
	CHOOSE_SCAN = 64,   /* then so many slots in a row, for the best of them */
	CHOOSE_LOOKUPS = 2, /* of the frontend, if what it points to has just been given away */

	LAST_USED_STEP = 100000000, /* ns: write sw_service.last_used no more often than that */
};

/* From best to worst: the first that any backend of the service has is taken. */
enum rank {
	RANK_USABLE,
	RANK_SUSPECT,
	RANK_EJECTED,
	RANK_DOWN,
	RANK_TERMINATING,
	RANK_REFUSED,
	RANK_ABSENT,
};

enum choice_verdict {
	CHOICE_NOT_OURS, /* no frontend: leave the call alone */
	CHOICE_BACKEND,  /* connect to choice.backend */
	CHOICE_REFUSE,   /* a frontend without endpoints */
};

struct choice {
	struct sw_addr addr;
	__u32 backend; /* index into sw_backends */
	__u32 service; /* index into sw_services */
	__u16 port;    /* host order */
	__u16 rank;    /* enum rank */
	__u32 pad;
};

/* What holds for all backends during one choice. */
struct moment {
	__u64 now;
	bool trust_health; /* the daemon is alive */
};

static __always_inline struct moment moment_now(void)
{
	struct moment moment = {.now = bpf_ktime_get_ns()};
	struct sw_config *config;
	__u32 zero = 0;

	config = bpf_map_lookup_elem(&sw_config, &zero);
	if (config)
		moment.trust_health = moment.now < config->heartbeat + SW_HEARTBEAT_TIMEOUT;
	return moment;
}

static __always_inline __u32 health_rank(__u32 health)
{
	switch (health) {
	case SW_HEALTH_UNKNOWN:
	case SW_HEALTH_UP:
		return RANK_USABLE;
	case SW_HEALTH_SUSPECT:
		return RANK_SUSPECT;
	case SW_HEALTH_DOWN:
		return RANK_DOWN;
	case SW_HEALTH_REFUSED:
		return RANK_REFUSED;
	default:
		return RANK_ABSENT;
	}
}

static __always_inline __u32 backend_rank(const struct sw_backend *backend,
					  const struct moment *moment)
{
	__u32 rank = health_rank(backend->health);

	if (!moment->trust_health && rank != RANK_ABSENT)
		rank = RANK_USABLE;
	if (backend->ejected_until > moment->now && rank < RANK_EJECTED)
		rank = RANK_EJECTED;
	return rank;
}

/* Looks at one slot of a frontend and keeps its backend if it is better than *best. */
static __noinline int consider_slot(const struct sw_frontend *frontend, __u32 position,
				    const struct moment *moment, struct choice *best)
{
	__u32 index, rank;
	struct sw_backend *backend;
	struct sw_slot *slot;

	if (!frontend || !moment || !best)
		return 0;
	index = frontend->slot_base + position;
	slot = bpf_map_lookup_elem(&sw_slots, &index);
	if (!slot)
		return 0;
	index = slot->backend;
	if (!index)
		return 0;
	backend = bpf_map_lookup_elem(&sw_backends, &index);
	if (!backend || backend->service != frontend->service)
		return 0;
	rank = backend_rank(backend, moment);
	if (position >= frontend->ready && rank < RANK_TERMINATING)
		rank = RANK_TERMINATING;
	if (rank >= best->rank)
		return 0;
	best->rank = rank;
	best->backend = index;
	best->port = backend->port;
	best->addr = backend->addr;
	return 0;
}

/* A uniform number below n, without division. n must not be 0. */
static __always_inline __u32 random_below(__u32 n)
{
	return ((__u64)bpf_get_prandom_u32() * n) >> 32;
}

/* Draws at random, so that the share of a backend that is out spreads evenly over the others. */
static __always_inline void draw(const struct sw_frontend *frontend, const struct moment *moment,
				 struct choice *best)
{
	__u32 n = frontend->ready;

	if (moment->trust_health && frontend->usable)
		n = frontend->usable;
	if (!n)
		return;
	for (int i = 0; i < CHOOSE_TRIES && best->rank != RANK_USABLE; i++)
		consider_slot(frontend, random_below(n), moment, best);
}

static __always_inline void scan(const struct sw_frontend *frontend, const struct moment *moment,
				 struct choice *best)
{
	__u32 n = frontend->ready + frontend->terminating, position = random_below(n);

	for (__u32 i = 0; i < CHOOSE_SCAN && i < n && best->rank != RANK_USABLE; i++) {
		consider_slot(frontend, position, moment, best);
		position = position + 1 < n ? position + 1 : 0;
	}
}

static __always_inline void account(const struct moment *moment, const struct choice *choice)
{
	struct sw_backend_load *load;
	struct sw_service *service;
	__u32 index = choice->service;

	service = bpf_map_lookup_elem(&sw_services, &index);
	if (service && moment->now - service->last_used > LAST_USED_STEP)
		service->last_used = moment->now;
	if (choice->rank == RANK_ABSENT) {
		if (service)
			__sync_fetch_and_add(&service->refused, 1);
		return;
	}
	index = choice->backend;
	load = bpf_map_lookup_elem(&sw_backend_load, &index);
	if (load)
		__sync_fetch_and_add(&load->connects, 1);
}

/* Returns enum choice_verdict; *ret is meaningful for CHOICE_BACKEND. */
static __noinline int choose_backend(const struct sw_frontend_key *key, struct choice *ret)
{
	struct sw_frontend frontend, *found;
	struct moment moment;

	if (!key || !ret)
		return CHOICE_NOT_OURS;
	found = bpf_map_lookup_elem(&sw_frontends, key);
	if (!found)
		return CHOICE_NOT_OURS;
	moment = moment_now();
	for (int i = 0; i < CHOOSE_LOOKUPS && found; i++) {
		frontend = *found;
		ret->rank = RANK_ABSENT;
		ret->service = frontend.service;
		draw(&frontend, &moment, ret);
		if (ret->rank != RANK_USABLE && frontend.ready + frontend.terminating)
			scan(&frontend, &moment, ret);
		if (ret->rank != RANK_ABSENT || !(frontend.ready + frontend.terminating))
			break;
		found = bpf_map_lookup_elem(&sw_frontends, key);
	}
	account(&moment, ret);
	return ret->rank == RANK_ABSENT ? CHOICE_REFUSE : CHOICE_BACKEND;
}

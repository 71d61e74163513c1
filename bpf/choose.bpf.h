/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which backend answers a connection: the core of the datapath. It takes no context, so that it
 * also runs in test programs and, compiled natively, under sanitizers.
 *
 * A connection never fails while an endpoint exists that might work: what is not usable is ranked,
 * not excluded. With more than CHOOSE_SCAN slots the best tier is found only because userspace
 * keeps usable backends in front (sw_frontend.usable), which it does within milliseconds.
 *
 * A slot or backend may be freed and given to another service between two loads here; such a
 * backend is recognised by its `service` and counts as absent.
 */
#pragma once

#include "affinity.bpf.h"
#include "age.bpf.h"
#include "frontend.bpf.h"
#include "maps.bpf.h"
#include "swerve_abi.h"

#include <stdbool.h>

enum {
	CHOOSE_TRIES = 4,           /* random draws among the slots that should be usable */
	CHOOSE_SCAN = 16,           /* then so many slots in a row, for the best of them */
	LAST_USED_STEP = 100000000, /* ns: write sw_service.last_used no more often than that */
};

/* ns: for so long the trial of a backend that was ejected keeps other connections away from it. */
#define TRIAL_TIME 1000000000ULL

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

/* Who asks: beside the frontend, what the choice may depend on. */
struct asker {
	__u64 client;     /* bpf_get_netns_cookie() */
	__u32 backend;    /* that he has already, to stay there while it lives; 0: he has none */
	__u32 generation; /* of that backend */
	__u32 on_node;    /* 1: his socket is in the network namespace of the node */
	/* A backend that just failed him, perhaps: not the first choice if another is as good. */
	__u32 tried;
	__u32 tried_service; /* of that backend */
	__u32 pad;
};

struct choice {
	struct sw_addr addr;
	__u32 backend; /* index into sw_backends */
	__u32 service; /* index into sw_services */
	__u16 port;    /* host order */
	__u16 pad;
	__u32 rank;       /* enum rank */
	__u32 generation; /* of the backend */
	__u32 trial;      /* enum sw_trial of the backend */
	__u32 flags;      /* enum sw_frontend_flags of the frontend */
	__u32 avoid;      /* a backend that ranks lower than it would; 0: none */
};

/* What holds for all backends during one choice. */
struct moment {
	__u64 now;
	__u64 distrust; /* 1: the daemon is dead or hung, its verdicts count for nothing; else 0 */
	__u64 chance;   /* below 2^32, for backends that are to get less than their share */
};

/*
 * The policy, as words of ranks of four bits each: neither branches nor tables. Branches would make the
 * verifier follow every combination of ranks through every round of the scan; and an index into a
 * table makes it remember exactly what the index was made of, so that no two rounds are alike to it.
 */
enum { RANK_BITS = 4 };
#define RANK_AT(index, rank) ((__u64)(rank) << (index)*RANK_BITS)

/* By enum sw_health, as long as the daemon is alive. */
static const __u64 health_ranks =
	RANK_AT(SW_HEALTH_FREE, RANK_ABSENT) | RANK_AT(SW_HEALTH_UNKNOWN, RANK_USABLE) |
	RANK_AT(SW_HEALTH_UP, RANK_USABLE) | RANK_AT(SW_HEALTH_SUSPECT, RANK_SUSPECT) |
	RANK_AT(SW_HEALTH_DOWN, RANK_DOWN) | RANK_AT(SW_HEALTH_REFUSED, RANK_REFUSED) |
	RANK_AT(SW_HEALTH_REFUSED + 1, RANK_ABSENT) | RANK_AT(SW_HEALTH_REFUSED + 2, RANK_ABSENT);

/* The same when it is not: what it said last may be long outdated. */
static const __u64 distrusted_ranks = RANK_AT(SW_HEALTH_FREE, RANK_ABSENT) |
				      RANK_AT(SW_HEALTH_REFUSED + 1, RANK_ABSENT) |
				      RANK_AT(SW_HEALTH_REFUSED + 2, RANK_ABSENT);

/* The best that it can be, by 1: ejected, 2: terminating, 4: suspect. */
static const __u64 least_ranks =
	RANK_AT(0, RANK_USABLE) | RANK_AT(1, RANK_EJECTED) | RANK_AT(2, RANK_TERMINATING) |
	RANK_AT(1 | 2, RANK_TERMINATING) | RANK_AT(4, RANK_SUSPECT) | RANK_AT(4 | 1, RANK_EJECTED) |
	RANK_AT(4 | 2, RANK_TERMINATING) | RANK_AT(4 | 2 | 1, RANK_TERMINATING);

static __always_inline __u64 rank_at(__u64 ranks, __u64 index)
{
	return ranks >> (index & 7) * RANK_BITS & 15;
}

/* 1 if a < b, else 0, without a branch; the difference must be below 2^63. */
static __always_inline __u64 is_less(__u64 a, __u64 b)
{
	return (a - b) >> 63;
}

static __always_inline struct moment moment_now(void)
{
	struct moment moment = {.now = bpf_ktime_get_ns(), .chance = bpf_get_prandom_u32()};
	struct sw_config *config;
	__u32 zero = 0;

	config = bpf_map_lookup_elem(&sw_config, &zero);
	moment.distrust =
		is_less((config ? config->heartbeat : 0) + SW_HEARTBEAT_TIMEOUT, moment.now + 1);
	return moment;
}

/*
 * 1 if a backend that has just come back is to be passed over this time, else 0: with a probability of
 * nine tenths at first, and of none when its time is over.
 */
static __always_inline __u64 is_cold(const struct sw_backend *backend, const struct moment *moment)
{
	__u64 warmup = backend->warmup;
	__u64 since = moment->now - backend->changed;
	/* None, if it changed after this choice had looked at the clock. */
	__u64 elapsed = (since & ((since >> 63) - 1)) >> SW_WARMUP_SHIFT;

	return is_less(warmup + 9 * elapsed, 10 * (moment->chance * warmup >> 32));
}

/* 1 in half of the choices if some of its responses fail, else 0. */
static __always_inline __u64 is_lowered(const struct sw_backend *backend,
					const struct moment *moment)
{
	return backend->lowered & moment->chance >> 31;
}

static __always_inline __u32 slot_rank(const struct sw_frontend *frontend, __u32 position,
				       const struct sw_backend *backend,
				       const struct moment *moment)
{
	__u64 ejected = is_less(moment->now, backend->ejected_until);
	__u64 terminating = 1 - is_less(position, frontend->ready);
	__u64 suspect = is_less(moment->now, backend->suspect_until) | is_cold(backend, moment) |
			is_lowered(backend, moment);
	__u64 least = rank_at(least_ranks, ejected | terminating << 1 | suspect << 2);
	__u64 ranks = health_ranks ^ ((health_ranks ^ distrusted_ranks) & -moment->distrust);
	__u64 rank = rank_at(ranks, backend->health);

	return rank ^ ((rank ^ least) & -is_less(rank, least));
}

/*
 * Takes a backend that was chosen before, if it is still the same and better than *best. `position`
 * is its slot's, 0 for a backend whose slot does not matter.
 */
static __always_inline void stay(const struct sw_frontend *frontend, const struct moment *moment,
				 __u32 index, __u32 generation, __u32 position, struct choice *best)
{
	struct sw_backend *backend = bpf_map_lookup_elem(&sw_backends, &index);
	__u32 rank;

	if (!backend || backend->retired || backend->service != frontend->service ||
	    backend->generation != generation)
		return;
	rank = slot_rank(frontend, position, backend, moment);
	if (rank >= best->rank)
		return;
	best->rank = rank;
	best->backend = index;
	best->generation = generation;
	best->port = backend->port;
	best->addr = backend->addr;
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
	rank = slot_rank(frontend, position, backend, moment);
	rank |= is_less(index ^ best->avoid, 1); /* by one, if it is that one; without a branch */
	if (!is_less(rank, best->rank))
		return 0;
	best->rank = rank;
	best->backend = index;
	best->port = backend->port;
	best->addr = backend->addr;
	best->generation = backend->generation;
	best->trial = backend->trial;
	return 0;
}

/* Where numbers come from: from the kernel's generator, or, with a seed, always the same ones. */
struct dice {
	__u32 seed; /* 0: none */
};

/* A uniform number below n, without division. n must not be 0. */
static __always_inline __u32 roll(struct dice *dice, __u32 n)
{
	__u64 seeded = is_less(dice->seed, 1) - 1; /* all ones if so */
	__u32 number;

	barrier_var(seeded);
	number = dice->seed | (bpf_get_prandom_u32() & ~seeded);
	dice->seed = (dice->seed * 1664525 + 1013904223) & seeded; /* Numerical Recipes */
	return ((__u64)number * n) >> 32;
}

/* How many slots are worth a draw. */
static __always_inline __u32 draw_from(const struct sw_frontend *frontend,
				       const struct moment *moment)
{
	/* All ones if the hint of userspace does not count. */
	__u64 blind = -(moment->distrust | is_less(frontend->usable, 1));

	barrier_var(blind); /* else clang makes branches of it */
	return frontend->usable ^ ((frontend->usable ^ frontend->ready) & blind);
}

/* Draws at random, so that the share of a backend that is out spreads evenly over the others. */
static __always_inline void draw(const struct sw_frontend *frontend, const struct moment *moment,
				 struct dice *dice, struct choice *best)
{
	__u32 n = draw_from(frontend, moment);

	if (!n)
		return;
	for (int i = 0; i < CHOOSE_TRIES && best->rank != RANK_USABLE; i++)
		consider_slot(frontend, roll(dice, n), moment, best);
}

static __always_inline __u32 open_connections(__u32 backend)
{
	struct sw_backend_load *load = bpf_map_lookup_elem(&sw_backend_load, &backend);

	return load ? load->open : 0;
}

/*
 * The power of two choices: one more draw, and the one with fewer open connections is taken. That is
 * nearly as good as the least of all, costs the same for any number of backends, and does not send
 * all CPUs to the same one (Mitzenmacher 2001).
 */
static __noinline int prefer_less_open(const struct sw_frontend *frontend,
				       const struct moment *moment, struct dice *dice,
				       struct choice *best)
{
	struct choice other = {.rank = RANK_ABSENT};
	__u32 n, position, index;
	struct sw_slot *slot;

	if (!frontend || !moment || !dice || !best)
		return 0;
	n = draw_from(frontend, moment);
	if (n < 2 || best->rank != RANK_USABLE)
		return 0;
	other.avoid = best->avoid;
	/* One of the others: the last one stands in for the one that there is already. */
	position = roll(dice, n - 1);
	index = frontend->slot_base + position;
	slot = bpf_map_lookup_elem(&sw_slots, &index);
	if (slot && slot->backend == best->backend)
		position = n - 1;
	consider_slot(frontend, position, moment, &other);
	if (other.rank != RANK_USABLE ||
	    open_connections(other.backend) >= open_connections(best->backend))
		return 0;
	best->backend = other.backend;
	best->port = other.port;
	best->addr = other.addr;
	best->generation = other.generation;
	best->trial = other.trial;
	return 0;
}

/*
 * Round robin is a seed that makes the first roll fall on whose turn it is; if that one is out, the
 * next rolls are as good as random. On several CPUs at once two connections may get the same turn.
 */
static __always_inline void take_turn(const struct sw_frontend *frontend,
				      const struct moment *moment, struct dice *dice)
{
	__u32 n = draw_from(frontend, moment), service = frontend->service;
	struct sw_turn *turn = bpf_map_lookup_elem(&sw_turns, &service);

	if (!turn || !n)
		return;
	__sync_fetch_and_add(&turn->count, 1);
	dice->seed = (((__u64)(*(volatile __u32 *)&turn->count % n) * 2 + 1) << 31) / n;
}

static __always_inline void scan(const struct sw_frontend *frontend, const struct moment *moment,
				 struct dice *dice, struct choice *best)
{
	__u32 n = frontend->ready + frontend->terminating, start = roll(dice, n);

	for (__u32 i = 0; i < CHOOSE_SCAN && i < n && best->rank != RANK_USABLE; i++) {
		__u32 position = start + i;
		__u64 beyond = is_less(position, n) - 1;

		barrier_var(beyond);
		consider_slot(frontend, position - (n & beyond), moment, best);
	}
}

static __always_inline void account(const struct moment *moment, struct sw_service *service,
				    const struct asker *asker, const struct choice *choice)
{
	struct sw_backend_load *load;
	__u32 index = choice->backend;

	if (is_past(moment->now, service->last_used, LAST_USED_STEP))
		service->last_used = moment->now;
	if (choice->rank == RANK_ABSENT) {
		__sync_fetch_and_add(&service->refused, 1);
		return;
	}
	if (index == asker->backend)
		return;
	load = bpf_map_lookup_elem(&sw_backend_load, &index);
	if (load)
		__sync_fetch_and_add(&load->connects, 1);
}

/*
 * The first connection after an ejection tries the backend out, before others follow. UDP shows failures
 * only: when its trial ends without one, it went well.
 */
static __always_inline void begin_trial(const struct moment *moment, const struct choice *choice)
{
	struct sw_backend_load *load;
	struct sw_backend *backend;
	__u32 index = choice->backend;

	if (!choice->trial || choice->rank > RANK_SUSPECT)
		return;
	backend = bpf_map_lookup_elem(&sw_backends, &index);
	load = bpf_map_lookup_elem(&sw_backend_load, &index);
	if (!backend || !load)
		return;
	if (choice->trial == SW_TRIAL_BEGUN && load->evidence == SW_EVIDENCE_NO_PORT) {
		backend->trial = SW_TRIAL_NONE;
		return;
	}
	backend->ejected_until = moment->now + TRIAL_TIME;
	backend->trial = SW_TRIAL_BEGUN;
}

/* Goes where the client was before, if that is an endpoint of this frontend that can be used. */
static __always_inline void stay_pinned(const struct sw_frontend *frontend,
					const struct moment *moment, struct affinity *affinity,
					struct choice *best)
{
	const struct sw_affinity *pinned = affinity_find(affinity, moment->now);
	__u32 position;

	if (!pinned)
		return;
	position = affinity_position(frontend, pinned->backend);
	if (position != AFFINITY_NOWHERE)
		stay(frontend, moment, pinned->backend, pinned->generation, position, best);
}

/* A backend that is good enough to stay with is not left for a better one. */
static __always_inline bool is_settled(const struct choice *choice)
{
	return choice->rank <= RANK_SUSPECT;
}

/* 0, but the verifier does not know that it is. */
static __always_inline __u32 unknown_zero(void)
{
	__u32 number = bpf_get_prandom_u32(), same = number;

	barrier_var(same);
	return number - same;
}

/*
 * Makes the verifier forget whether there was a backend before the search. Else it follows each such
 * history through every round of the search on its own, which is several times the work.
 */
static __always_inline void forget_history(struct choice *choice)
{
	__u32 zero = unknown_zero();

	choice->backend |= zero;
	choice->port |= zero;
}

/* Returns enum choice_verdict; *ret is meaningful for CHOICE_BACKEND. */
static __noinline int choose_backend(const struct sw_frontend_key *key, const struct asker *asker,
				     struct choice *ret)
{
	struct sw_frontend frontend;
	struct affinity affinity = {};
	struct sw_service *service;
	struct moment moment;
	struct dice dice = {};

	if (!key || !asker || !ret)
		return CHOICE_NOT_OURS;
	if (!frontend_find(key, asker->on_node, &frontend))
		return CHOICE_NOT_OURS;
	moment = moment_now();
	ret->rank = RANK_ABSENT;
	ret->service = frontend.service;
	ret->flags = frontend.flags;
	service = bpf_map_lookup_elem(&sw_services, &frontend.service);
	if (!service)
		return CHOICE_NOT_OURS;
	/* That it terminates is no reason for a socket to leave it: the flow may be a session. */
	if (asker->backend)
		stay(&frontend, &moment, asker->backend, asker->generation, 0, ret);
	if (!is_settled(ret) && service->policy.affinity_timeout) {
		affinity_begin(&affinity, asker->client, frontend.service,
			       service->policy.affinity_timeout);
		stay_pinned(&frontend, &moment, &affinity, ret);
		dice.seed = affinity_seed(&affinity);
	}
	if (!is_settled(ret)) {
		if (asker->tried_service == frontend.service && frontend.usable > 1 &&
		    !affinity.timeout)
			ret->avoid = asker->tried;
		if (service->policy.balance == SW_BALANCE_ROUND_ROBIN && !dice.seed)
			take_turn(&frontend, &moment, &dice);
		forget_history(ret);
		draw(&frontend, &moment, &dice, ret);
		if (ret->rank != RANK_USABLE && frontend.ready + frontend.terminating)
			scan(&frontend, &moment, &dice, ret);
		if (service->policy.balance == SW_BALANCE_LEAST_CONN && !dice.seed)
			prefer_less_open(&frontend, &moment, &dice, ret);
	}
	if (affinity.timeout && ret->rank != RANK_ABSENT)
		affinity_pin(&affinity, ret->backend, ret->generation, moment.now);
	account(&moment, service, asker, ret);
	begin_trial(&moment, ret);
	return ret->rank == RANK_ABSENT ? CHOICE_REFUSE : CHOICE_BACKEND;
}

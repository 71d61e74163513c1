/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of health/: one backend that is probed (target.c), what its verdicts lead to
 * (target_judge.c), and all of them (health.c).
 *
 * A target that is probed is in one of three places: its timer is armed, it waits in the queue, or a
 * probe is under way; so probes of one target never overlap. Only timers start probes, the end of a
 * probe only arms the timer: a probe that is due at once starts in the next round, not from inside a
 * callback.
 *
 * The caller is told of a change last, as it may remove the target, or all of them, in that call.
 */
#pragma once

#include "health/health.h"
#include "health/health_damping.h"
#include "health/health_demand.h"
#include "health/health_guard.h"
#include "health/health_lag.h"
#include "health/health_latency.h"
#include "health/health_noise.h"
#include "health/health_queue.h"
#include "health/health_schedule.h"
#include "health/probe.h"
#include "health/spec_pool.h"
#include "loop/loop.h"

struct hashmap;
struct health_admission;

struct health {
	struct health_config config;
	struct loop *loop;
	struct http_client *client;
	health_change_fn *fn;
	health_wanted_fn *wanted; /* NULL: nobody is told */
	health_pool_fn *pool;     /* NULL: pools are not known, and nothing is held */
	void *arg;
	struct spec_pool specs;
	struct hashmap *targets; /* by id; owns the values */
	uint64_t random;         /* state of random_next() */
	struct health_totals totals;
	struct health_noise noise; /* of all backends */
	struct health_lag lag;
	struct health_demand *demand;
	struct health_queue queue;
	struct loop_timer scan;
	uint64_t scan_due;
	bool scanning; /* the timer is armed */
};

struct target {
	struct health *health;
	struct health_target what;
	const struct probe_spec *spec; /* shared, from health->specs */
	struct health_fsm fsm;
	struct health_latency latency;
	struct health_noise noise;
	struct health_damping damping;
	uint64_t
		silent_since; /* when the first of the ambiguous failures in a row began; 0: none */
	uint64_t unsure_until;   /* how it is to be probed is not known before, while it is down */
	bool out_silent;         /* it is out, and that for silence */
	enum guard_verdict held; /* why it was not taken out by the last probe */
	struct health_history *history; /* owned; NULL: never a failure */
	struct health_view view;        /* its counters; the rest is here and there */
	struct demand_member demand;
	struct loop_timer timer;
	struct queue_entry entry;
	struct probe probe;
	struct health_admission *admission; /* owned; NULL: never asked for */
	uint64_t asked;                     /* which one */
	uint64_t started;                   /* when the last probe began */
	unsigned int slow;                  /* NEXT_SLOW in a row */
	enum health_next why;               /* the next probe is due */
	bool announced;                     /* that it is wanted */
	bool doubted;                       /* while a probe was under way */
	bool spared;                        /* since the last probe, one that was due */
};

/* target.c */

bool target_is_probed(const struct target *target);

/* Begins with the schedule. Returns 0, or -ENOMEM of the loop. */
int target_begin(struct target *target);

/* Ends what is under way. Idempotent. */
void target_rest(struct target *target);

/* Without probes there is no way back, so what was known may not count any more. */
void target_forget(struct target *target, const char *why);

/* Returns 0, or -ENOMEM of the loop. */
int target_schedule(struct target *target, enum health_next next);

/* See health_doubt(). */
void target_doubt(struct target *target);

/* Tells the caller, once, that it is in demand. */
void target_announce(struct target *target);

/* For timer, queue and demand. */
void target_on_timer(struct loop_timer *timer, uint64_t now);
void target_start(struct queue_entry *entry);
void target_wake(void *arg, struct demand_member *member);

/* The target may be gone when this returns. */
void target_report(struct target *target, enum health_state from, const char *detail);

/* target_judge.c */

/* What comes next. */
struct health_outlook target_outlook(const struct target *target);

/* A probe is over. The target may be gone when this returns. */
void target_finish(struct target *target, const struct probe_result *result);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes backends on a schedule, feeds the state machine of each, and reports changes of state.
 * A backend is known by a number that the caller chooses: the datapath's index.
 */
#pragma once

#include "base/addr.h"
#include "health/health_fsm.h"
#include "health/health_guard.h"
#include "health/health_history.h"
#include "health/health_outlook.h"
#include "model/probe_spec.h"

#include <stdint.h>

struct health; /* opaque */
struct http_client;
struct loop;

/*
 * Also reported with from == to == HEALTH_DOWN: by the first verdict, and when what is down begins
 * or ceases to refuse connections.
 */
struct health_change {
	uint32_t id;
	enum health_state from;
	enum health_state to;
	enum health_verdict verdict; /* the one that decided; VERDICT_OK if it is not probed */
	const char *detail; /* "connection refused", "HTTP 500", …; borrowed for the call */
};

/*
 * May call anything of this header, also for the same backend. It is called in the loop's handler
 * that saw the cause, so the change is known before other events of the round are handled.
 */
typedef void health_change_fn(void *arg, const struct health_change *change);

struct health_config {
	uint64_t demand_ttl;   /* ns; 0: all backends are always in demand */
	unsigned int max_rate; /* probes a second, at most 1000000; 0: no limit */
	uint64_t min_timeout;  /* ns: no backend is given less time, however fast it is */
	uint64_t slow;         /* ns: how far apart probes of what is down are at most */
};

/*
 * A minute, 2000 probes a second, 50 ms, and a second: how soon a repaired backend is back depends
 * on the last one, and one probe a second costs nothing.
 */
extern const struct health_config HEALTH_CONFIG_DEFAULT;

/* Borrows loop and client. Changes are reported from the loop. Returns 0 or -ENOMEM. */
int health_new(struct loop *loop, struct http_client *client, const struct health_config *config,
	       health_change_fn *fn, void *arg, struct health **ret);

/*
 * Called once for each backend that is added, as soon as it is in demand; also from inside
 * health_add(). It may call nothing of this header.
 */
typedef void health_wanted_fn(void *arg, uint32_t id);

/* With the `arg` of health_new(). */
void health_set_wanted(struct health *health, health_wanted_fn *fn);

/*
 * Asks for the ready endpoints of a backend's service port. Returns false if it is none of them. It
 * may call health_is_silent(), and nothing else of this header.
 */
typedef bool health_pool_fn(void *arg, uint32_t id, struct guard_pool *ret);

/*
 * With the `arg` of health_new(). From then on ambiguous evidence is weighed (health_guard.h), and
 * who comes and goes is kept out as long as half of its pool is usable (health_damping.h).
 */
void health_set_pool(struct health *health, health_pool_fn *fn);

/* Whether a backend is out, because it does not answer. */
bool health_is_silent(const struct health *health, uint32_t id);

/* The same, or it would be out if there were enough others. */
bool health_fell_silent(const struct health *health, uint32_t id);

/* Forgets all backends, without callbacks. NULL is allowed. */
void health_free(struct health *health);

struct health_target {
	uint32_t id;
	struct addr addr;
	uint16_t port;             /* host order */
	uint8_t proto;             /* other than IPPROTO_TCP: see health_add() */
	enum health_state initial; /* UNKNOWN, or what is known from before a restart */

	/*
	 * For so many ns at most, if it is down, successes do not bring it back: how it is to be
	 * probed is not known yet. health_release() ends that.
	 */
	uint64_t unsure;

	uint64_t node; /* a number for the node it is on; 0: not known */

	/*
	 * When an application last had an answer from it, ns of CLOCK_MONOTONIC, 0: never; borrowed
	 * until the backend is removed. NULL: nobody looks.
	 */
	const uint64_t *last_success;

	/* The same for an answer that was looked at and is a good one: what a probe other than TCP asks for. */
	const uint64_t *last_good;

	/*
	 * When its service was last used, ns of CLOCK_MONOTONIC, 0: never; borrowed until the
	 * backend is removed. NULL: always in demand.
	 */
	const uint64_t *last_used;
};

/*
 * Adds a backend. The first probe is due within the interval, at a random moment; at once if the
 * initial state is not UNKNOWN or UP. While it is not in demand, and no doubt is to be cleared, the
 * next ones come every 10 s or more slowly, at once when it comes in demand. It is not probed with
 * PROBE_NONE, nor if it is not TCP and the spec neither names a port nor is PROBE_DNS: then it is UNKNOWN, and that is
 * reported if it was something else.
 * Returns 0, -EEXIST, -ENOMEM.
 */
int health_add(struct health *health, const struct health_target *what,
	       const struct probe_spec *spec);

/*
 * Changes how a backend is probed, and begins anew with the schedule; evidence stays while it is
 * probed at all. An equal spec changes nothing. Returns 0, -ENOENT, -ENOMEM.
 */
int health_set_spec(struct health *health, uint32_t id, const struct probe_spec *spec);

/* How it is to be probed is known now, and successes count. Idempotent. */
void health_release(struct health *health, uint32_t id);

/* Forgets a backend, its evidence and a probe under way. Idempotent. */
void health_remove(struct health *health, uint32_t id);

/*
 * Somebody saw it fail: it is probed at once; if a probe is under way, again after that. Nothing
 * happens if it is not known or not probed, or is down already.
 */
void health_doubt(struct health *health, uint32_t id);

struct health_view {
	enum health_state state;
	enum health_verdict verdict;
	char detail[64];     /* of the last probe, "" before the first */
	uint64_t since;      /* when the state was entered, ns of CLOCK_MONOTONIC */
	uint64_t last_probe; /* when the last probe ended; 0: none yet */
	uint64_t latency;    /* of the last probe, ns */
	uint64_t probes;     /* ended so far */
	uint64_t failures;   /* of them failed */
	uint64_t discarded;  /* of them without a verdict: an error of our own, or a late loop */
	uint64_t spared;     /* that were due, and not made: traffic says that it is well */

	struct health_outlook outlook;
	const struct health_history
		*history; /* borrowed until it is removed; NULL: never a failure */
};

/*
 * Whether the port that clients connect to lets a connection of this node in, whatever is probed: with each
 * other `since` (a moment, not 0) one is made for the answer, as soon as the budget allows. 1 if so; 0 if
 * not; -EAGAIN while that is not known; -ENOENT if the backend is not known, not to be probed at all, or not
 * TCP; -errno if the connection could not be tried.
 */
int health_admits(struct health *health, uint32_t id, uint64_t since);

struct health_totals {
	/* Over all backends that there ever were, so that they only grow. */
	uint64_t probes, failures, discarded; /* as in struct health_view */
	uint64_t spared;                      /* as in struct health_view */
	uint64_t waited; /* ns that probes which were due waited for the limit of their rate */

	/* As it is now. */
	size_t backends;
	size_t idle;       /* of them not in demand */
	size_t waiting;    /* probes that are due */
	uint64_t interval; /* ns from probe to probe of what is well, recent mean; 0: none yet */
};

struct health_totals health_totals(const struct health *health);

/* Returns 0 or -ENOENT. */
int health_get(const struct health *health, uint32_t id, struct health_view *ret);

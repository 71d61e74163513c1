/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes backends on a schedule, feeds the state machine of each, and reports changes of state.
 * A backend is known by a number that the caller chooses: the datapath's index.
 */
#pragma once

#include "base/addr.h"
#include "health/health_fsm.h"
#include "model/probe_spec.h"

#include <stdint.h>

struct health; /* opaque */
struct http_client;
struct loop;

struct health_change {
	uint32_t id;
	enum health_state from;
	enum health_state to;
	enum health_verdict verdict; /* the one that decided */
	const char *detail; /* "connection refused", "HTTP 500", …; borrowed for the call */
};

typedef void health_change_fn(void *arg, const struct health_change *change);

/* Borrows loop and client. Changes are reported from the loop. Returns 0 or -ENOMEM. */
int health_new(struct loop *loop, struct http_client *client, health_change_fn *fn, void *arg,
	       struct health **ret);
void health_free(struct health *health);

struct health_target {
	uint32_t id;
	struct addr addr;
	uint16_t port;             /* host order */
	uint8_t proto;             /* IPPROTO_UDP is not probed unless the spec names a port */
	enum health_state initial; /* UNKNOWN, or what is known from before a restart */
};

/*
 * Adds a backend. The first probe is due within the interval, at a random moment; at once if the
 * initial state is not UNKNOWN or UP. With PROBE_NONE it stays UNKNOWN. Returns 0, -EEXIST,
 * -ENOMEM.
 */
int health_add(struct health *health, const struct health_target *target,
	       const struct probe_spec *spec);

/* Changes how a backend is probed; evidence stays. Returns 0 or -ENOENT. */
int health_set_spec(struct health *health, uint32_t id, const struct probe_spec *spec);

/* Forgets a backend, its evidence and a probe under way. Idempotent. */
void health_remove(struct health *health, uint32_t id);

struct health_view {
	enum health_state state;
	enum health_verdict verdict;
	char detail[64];     /* of the last probe, "" before the first */
	uint64_t since;      /* when the state was entered, ns of CLOCK_MONOTONIC */
	uint64_t last_probe; /* when the last probe ended; 0: none yet */
	uint64_t latency;    /* of the last probe, ns */
	uint64_t probes;     /* ended so far */
	uint64_t failures;   /* of them failed */
};

/* Returns 0 or -ENOENT. */
int health_get(const struct health *health, uint32_t id, struct health_view *ret);

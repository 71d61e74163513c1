/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel holds and what the daemon believes, joined. Pure. Where both know something,
 * the kernel's value is shown, as that is what connections get, and a difference is noted.
 */
#pragma once

#include "base/addr.h"
#include "ctl/ctl_belief.h"
#include "datapath/dp_snapshot.h"

/* All strings are borrowed from snapshot and belief. Times are seconds; negative: not known. */

struct ctl_frontend {
	char address[ADDR_PORT_STR_SIZE];
	bool in_kernel, in_daemon;
	bool ranges; /* only for clients in loadBalancerSourceRanges, as the kernel has it */
};

struct ctl_service {
	const char *name;
	uint8_t proto;
	bool in_kernel, in_daemon;
	VEC(struct ctl_frontend) frontends;
	uint32_t usable; /* of those that are ready, what the kernel would choose first */
	uint32_t ready, terminating;
	uint64_t connects, refused;
	double last_used;
	size_t first_backend, backends;       /* in ctl_view.backends */
	size_t first_difference, differences; /* in ctl_view.differences */
};

struct ctl_backend {
	const char *service;
	char address[ADDR_PORT_STR_SIZE];
	bool in_kernel, in_daemon;
	uint32_t index;
	bool terminating;
	bool lowered; /* gets half of its share */
	enum sw_health health;
	enum dp_rank rank;         /* DP_RANK_ABSENT if it is not in the kernel */
	double ejected_for;        /* seconds left; 0: it is not ejected */
	enum sw_evidence evidence; /* of the last ejection */
	uint32_t status;           /* HTTP status of the last ejection; 0: it was none */
	uint32_t open;             /* TCP connections */
	uint64_t connects;
	double since;                            /* health last changed */
	const char *pod, *state, *detail, *next; /* "" without a daemon */
	json_t *history;                         /* borrowed; NULL without a daemon */
	double last_probe, latency;
	uint64_t probes, failures, discarded;
};

enum ctl_difference_kind {
	DIFFERENCE_SERVICE_ONLY_IN_KERNEL,
	DIFFERENCE_SERVICE_ONLY_IN_DAEMON,
	DIFFERENCE_FRONTEND_ONLY_IN_KERNEL,
	DIFFERENCE_FRONTEND_ONLY_IN_DAEMON,
	DIFFERENCE_BACKEND_ONLY_IN_KERNEL,
	DIFFERENCE_BACKEND_ONLY_IN_DAEMON,
	DIFFERENCE_ENDPOINTS, /* how many are usable, ready, terminating */
	DIFFERENCE_HEALTH,
	DIFFERENCE_SLOTS, /* the maps contradict themselves */
	DIFFERENCE_KIND_COUNT
};

/* "service_only_in_kernel" …, as in the JSON. */
const char *ctl_difference_kind_to_str(enum ctl_difference_kind kind);

struct ctl_difference {
	enum ctl_difference_kind kind;
	const char *service;
	char subject[ADDR_PORT_STR_SIZE]; /* frontend or backend; "" for the service itself */
	char kernel[40], daemon[40];      /* the two values, if there are two */
};

enum { CTL_DIFFERENCE_SIZE = 384 };

/* One line for people. Returns buf. */
const char *ctl_difference_to_str(const struct ctl_difference *difference,
				  char buf[static CTL_DIFFERENCE_SIZE]);

struct ctl_view {
	const struct dp_snapshot *snapshot; /* borrowed; NULL: the maps could not be read */
	const struct ctl_belief *belief;    /* borrowed; NULL: the daemon did not answer */
	double heartbeat;                   /* age; negative: never */
	size_t frontends;
	VEC(struct ctl_service) services;       /* ordered by name */
	VEC(struct ctl_backend) backends;       /* by service, in the order of the slots */
	VEC(struct ctl_difference) differences; /* by service */
};

/* Joins; either side may be NULL. On success the caller owns *ret. Returns 0 or -ENOMEM. */
int ctl_view_join(const struct dp_snapshot *snapshot, const struct ctl_belief *belief, uint64_t now,
		  struct ctl_view *ret);

void ctl_view_done(struct ctl_view *view);

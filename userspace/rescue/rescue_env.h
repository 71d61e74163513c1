/* SPDX-License-Identifier: Apache-2.0 */
/* What all rescues under way share. Belongs to the worker's thread; only the results are locked. */
#pragma once

#include "base/addr.h"
#include "rescue/rescue_budget.h"
#include "rescue/rescue_stats.h"
#include "swerve_abi.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct client_netns_cache;
struct dp_rescue;
struct hashmap;
struct loop;

enum { RESCUE_LINE_SIZE = 80, RESCUE_RECENT = 64, RESCUE_IDLE_LAST = 256 };

/* One rescue that has ended. */
struct rescue_note {
	uint64_t ended; /* ns of CLOCK_MONOTONIC; 0: an unused element */
	uint64_t took; /* ns from the failure to the first byte of another response; 0: none came */
	enum rescue_cause cause;
	enum rescue_outcome outcome;
	char service[SW_SERVICE_NAME_SIZE];
	char request[RESCUE_LINE_SIZE];    /* its first line, cut off, at a query at the latest */
	struct addr client, failed, other; /* other: all zero if none was tried */
	uint16_t client_port, failed_port, other_port;
};

struct rescue_results {
	struct rescue_stats stats;
	struct rescue_note recent[RESCUE_RECENT];
	uint64_t notes; /* so far; the next goes to recent[notes % RESCUE_RECENT] */
};

/* When the last unused connection to a backend was ended by it. */
struct rescue_idle_last {
	uint32_t backend; /* index into sw_backends */
	uint64_t when;    /* ns of CLOCK_MONOTONIC */
	uint64_t number;  /* counts them */
};

struct rescue_env {
	struct loop *loop;
	struct dp_rescue *datapath;
	struct client_netns_cache *netns;
	struct hashmap *jobs; /* socket cookie → struct rescue_job */
	struct hashmap *idle; /* socket cookie → struct idle_end of rescue_idle.c */
	struct rescue_idle_last idle_last[RESCUE_IDLE_LAST]; /* [index % RESCUE_IDLE_LAST] */
	struct hashmap *refused; /* socket cookie → struct refused of rescue_connect.c */
	struct hashmap *budgets; /* index into sw_services → struct rescue_budget */
	uint64_t counted;        /* when the requests of all services were last counted */
	size_t buffered;         /* bytes of answers that clients have not taken yet */
	bool mark_attempts;      /* replayed requests get a header that says so */
	pthread_mutex_t lock;    /* for results */
	struct rescue_results results;
};

/*
 * The loop is the caller's, and so is the datapath, which it puts in before the first record; everything
 * else is made. Returns 0 or -errno; -EPERM: CAP_SYS_ADMIN or CAP_NET_RAW is missing.
 */
int rescue_env_init(struct rescue_env *env, struct loop *loop);

/* All jobs are to be ended before. */
void rescue_env_done(struct rescue_env *env);

/* Counts what was requested since, of all services; to be called every second. */
void rescue_env_count_requests(struct rescue_env *env, uint64_t now);

/* Asks the budget of a service; rescue_env_end_replay() is due if it says yes. */
bool rescue_env_begin_replay(struct rescue_env *env, uint32_t service);

/* Asks for one more for the same request. */
bool rescue_env_replay_again(struct rescue_env *env, uint32_t service);
void rescue_env_end_replay(struct rescue_env *env, uint32_t service);

/* Counts a failure that can not be made up for. */
void rescue_env_impossible(struct rescue_env *env, enum sw_obstacle obstacle);

/* Notes how one has ended, in all statistics. */
void rescue_env_note(struct rescue_env *env, const struct rescue_note *note);

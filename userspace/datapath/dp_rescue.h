/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rescue programs as userspace sees them. Nothing of it is pinned: when the daemon ends, the
 * kernel detaches them, and every packet goes its way again. Belongs to one thread at a time.
 */
#pragma once

#include "datapath/dp_problem.h"
#include "swerve_rescue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dp_rescue; /* opaque */

/*
 * Loads the programs beside the maps pinned by datapath_open(); they are not attached yet. Returns
 * 0, or -errno and *problem.
 */
int dp_rescue_open(const char *cgroup, const char *pin_dir, struct dp_rescue **ret,
		   struct dp_problem *problem);

/* Detaches them, too. NULL is allowed. */
void dp_rescue_close(struct dp_rescue *rescue);

/* Both are idempotent. Returns 0 or -errno; on failure none is attached. */
int dp_rescue_attach(struct dp_rescue *rescue);
void dp_rescue_detach(struct dp_rescue *rescue);

/* The programs hold back only while the last sign of life is younger than SW_RESCUE_LEASE. */
void dp_rescue_heartbeat(struct dp_rescue *rescue, uint64_t now);

/* Becomes readable when there are records. Borrowed. */
int dp_rescue_fd(const struct dp_rescue *rescue);

/* `record` is followed by its parts; `size` is of all of it. */
typedef void dp_rescue_record_fn(void *arg, const struct sw_rescue *record, size_t size);

/*
 * Hands over records that are there, some hundreds at most. Returns whether there may be more: for these
 * the descriptor stays readable.
 */
bool dp_rescue_consume(struct dp_rescue *rescue, dp_rescue_record_fn *fn, void *arg);

typedef void dp_rescue_outstanding_fn(void *arg, uint64_t cookie,
				      const struct sw_outstanding *outstanding);

/* All requests that wait for an answer. `fn` may forget the one it is called for. */
void dp_rescue_each_outstanding(struct dp_rescue *rescue, dp_rescue_outstanding_fn *fn, void *arg);
void dp_rescue_forget_outstanding(struct dp_rescue *rescue, uint64_t cookie);

/*
 * Lets go what is held back of the request of sw_rescue, when it comes again: where the worker's own
 * segments do not reach the client.
 */
void dp_rescue_let_go(struct dp_rescue *rescue, const struct sw_rescue *record);

/* Who failed, and who has been tried. */
struct dp_rescue_choice {
	struct sw_addr addr;   /* what the application asked for */
	uint16_t port;         /* host order */
	uint32_t service;      /* whose frontend that was */
	const uint32_t *tried; /* indices into sw_backends */
	size_t tried_count;
	uint32_t random; /* where to begin among equally good ones */
};

/* Another backend of the same frontend than those that were tried. Returns 0 or -ENOENT. */
int dp_rescue_pick(const struct dp_rescue *rescue, const struct dp_rescue_choice *choice,
		   uint64_t now, uint32_t *ret_index, struct sw_backend *ret_backend);

/*
 * Whether new connections go to a backend of that frontend, and nothing was found wrong with it since `since`. What
 * was tried does not matter.
 */
bool dp_rescue_has_been_usable(const struct dp_rescue *rescue,
			       const struct dp_rescue_choice *choice, uint32_t backend,
			       uint64_t since, uint64_t now);

/* The counters and the policy of a service; another service's once this one is gone. Borrowed. */
const struct sw_service *dp_rescue_service(const struct dp_rescue *rescue, uint32_t service);

/* Requests that were sent to a service so far, since the programs were loaded. */
uint64_t dp_rescue_requests(const struct dp_rescue *rescue, uint32_t service);

/* Failures that were let through since too many were under way. */
uint64_t dp_rescue_overruns(const struct dp_rescue *rescue);

/* Failures that the kernel saw could not be made up for. */
uint64_t dp_rescue_impossible(const struct dp_rescue *rescue, enum sw_obstacle obstacle);

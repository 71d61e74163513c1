/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that replays requests, with a loop of its own: what is held back is late already, and
 * must not wait for a plan or a probe. While it lives the rescue programs are attached.
 */
#pragma once

#include "datapath/dp_problem.h"
#include "rescue/rescue_env.h"

#include <stdbool.h>
#include <stdint.h>

struct rescue_worker; /* opaque */

struct rescue_worker_config {
	const char *cgroup;
	const char *pin_dir;
	bool mark_attempts;
};

/*
 * Loads, attaches, and starts the thread; its results are added to those `before`. Returns 0, or
 * -errno and *problem.
 */
int rescue_worker_start(const struct rescue_worker_config *config,
			const struct rescue_results *before, struct rescue_worker **ret,
			struct dp_problem *problem);

/* Lets go of everything that is held back, detaches, ends the thread. NULL is allowed. */
void rescue_worker_stop(struct rescue_worker *worker);

/* From any thread: requests that wait for this backend are replayed on another one. */
void rescue_worker_backend_down(struct rescue_worker *worker, uint32_t backend);

/* From any thread: how often to look for requests that wait too long, in ns; 0: never. */
void rescue_worker_set_scan(struct rescue_worker *worker, uint64_t interval);

/* From any thread: a copy of what came of it so far. */
void rescue_worker_results(struct rescue_worker *worker, struct rescue_results *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rescue: a request that a failing pod does not answer, or answers with an error, is replayed on
 * another one before the application notices, with no proxy in the path. docs/rescue.md says how.
 *
 * Nothing runs, and no program is attached, while no service has opted in.
 */
#pragma once

#include "rescue/rescue_worker.h"

struct rescue; /* opaque */

/* From a start that failed to the next, in ns. */
#define RESCUE_START_INTERVAL 60000000000ULL

/* The strings are borrowed for as long as the rescue lives. Returns 0 or -ENOMEM. */
int rescue_new(const struct rescue_worker_config *config, struct rescue **ret);

/* NULL is allowed. */
void rescue_free(struct rescue *rescue);

/*
 * Says of a Service ("namespace/name") whether its requests are to be rescued, and after how long
 * without an answer (ns; 0: no such limit). The first one starts everything. Returns 0, -ENOMEM, or
 * what keeps rescue from starting, with *problem: then nothing is rescued, and it is tried again with
 * the first call that comes RESCUE_START_INTERVAL later.
 */
int rescue_set_service(struct rescue *rescue, const char *service, bool wanted,
		       uint64_t request_timeout, uint64_t now, struct dp_problem *problem);

/* A backend is down: what waits for it is replayed. */
void rescue_backend_down(struct rescue *rescue, uint32_t backend);

struct rescue_view {
	size_t services; /* that have opted in */
	bool running;
	struct rescue_results results;
};

void rescue_view(const struct rescue *rescue, struct rescue_view *ret);

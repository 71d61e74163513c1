/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one coordinator: source → model → plan → datapath, and health → datapath. Logs what changes.
 */
#pragma once

#include "agent/agent_source.h"
#include "agent/health_options.h"
#include "datapath/dp_problem.h"
#include "model/retry_policy.h"

#include <stdbool.h>

struct agent; /* opaque */
struct loop;
struct node_ports;

struct agent_config {
	struct agent_source_config source;
	const char *node_name;
	const struct node_ports *node_ports; /* borrowed as long as the agent is there */
	const char *cgroup;
	const char *pin_dir;
	const char *status_address; /* "" for none */
	const char *health_address; /* the same; only /livez and /healthz */
	struct health_options health;
	struct retry_policy retry; /* for Services that do not say otherwise */
	bool no_attempt_header;    /* replayed requests look like any other */
};

/*
 * Takes over or installs the datapath, reads the source and begins to probe. Borrows the loop.
 * Returns 0 or -errno; then *problem says what to do.
 */
int agent_new(struct loop *loop, const struct agent_config *config, struct agent **ret,
	      struct dp_problem *problem);

/* Stops probing and lets go of the datapath, which serves on. NULL is allowed. */
void agent_free(struct agent *agent);

/* SPDX-License-Identifier: Apache-2.0 */
/* The source that the command line names: an API server or files. */
#pragma once

#include "datapath/dp_problem.h"
#include "source/source.h"

#include <stdbool.h>
#include <stdint.h>

struct agent_source; /* opaque */
struct loop;

/* Borrowed for the call. NULL where the command line says nothing. */
struct agent_source_config {
	const char *source; /* "kube" or "file:PATH" */
	const char *kubeconfig;
	const char *api_server;
	const char *service_proxy_name;
	const char *endpoints_api;
};

/*
 * Opens it. Files are read, and reported, from inside the call; what the API server has comes from
 * the loop. Borrows the loop. Returns 0 or -errno; then *problem says what to do.
 */
int agent_source_new(struct loop *loop, const struct agent_source_config *config,
		     const struct source_events *events, struct agent_source **ret,
		     struct dp_problem *problem);

/* NULL is allowed. */
void agent_source_free(struct agent_source *source);

/* Whether pods are to be asked for one by one; else the source has those that it has. */
bool agent_source_can_get_pods(const struct agent_source *source);

/* Asks for a pod: it is reported as any other object, unless there is none. Returns 0 or -ENOMEM. */
int agent_source_get_pod(struct agent_source *source, const char *namespace, const char *name);

/* Since when (CLOCK_MONOTONIC, ns) it is not to be had, and the last state is used; 0: it is. */
uint64_t agent_source_away_since(const struct agent_source *source);

/*
 * Whether all that it has could be read. If not, a service that was pinned before a restart and is
 * not among what was delivered may just be the broken one.
 */
bool agent_source_is_whole(const struct agent_source *source);

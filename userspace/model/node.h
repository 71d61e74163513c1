/* SPDX-License-Identifier: Apache-2.0 */
/* A Kubernetes Node as a plain value. */
#pragma once

#include "base/addr.h"
#include "base/vec.h"

struct node {
	char *name;
	char *zone;                 /* label topology.kubernetes.io/zone, "" when there is none */
	VEC(struct addr) addresses; /* InternalIP and ExternalIP */
};

/* Frees the node and what it owns. NULL is allowed. */
void node_free(struct node *node);

/* SPDX-License-Identifier: Apache-2.0 */
/* A Kubernetes Node as a plain value. */
#pragma once

#include "base/addr.h"
#include "base/vec.h"

#include <stdbool.h>

struct node {
	char *name;
	char *zone; /* label topology.kubernetes.io/zone, "" when there is none */
	/* The InternalIPs in the order of the object, then the ExternalIPs. */
	VEC(struct addr) addresses;
	/*
	 * It is deleted, or has the taint ToBeDeletedByClusterAutoscaler: load balancers should no
	 * longer choose it (KEP-3836).
	 */
	bool leaving;
};

/* Whether both mean the same for this daemon, whatever else the objects say. */
bool node_equal(const struct node *a, const struct node *b);

/* Frees the node and what it owns. NULL is allowed. */
void node_free(struct node *node);

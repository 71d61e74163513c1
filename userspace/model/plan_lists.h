/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which endpoints of a service port are used by whom: kube-proxy's CategorizeEndpoints
 * (pkg/proxy/topology.go of Kubernetes 1.36). Pure.
 */
#pragma once

#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;

/*
 * Some of the endpoints of a port, as positions: first the ready ones, of which the first
 * `preferred` are those that kube-proxy would use, by topology hints; then those that are serving and
 * terminating, which are used only when nothing else is left (KEP-1669). Ordered within each part.
 */
struct plan_list {
	VEC(uint32_t) members;
	size_t preferred;
	size_t ready;
	bool elsewhere; /* there are none, but another node has some: the policy is Local */
};

/* What the lists are made of. All is borrowed. */
struct plan_endpoints {
	const char *node;                    /* this node's name; "" when it has none */
	const char *zone;                    /* "" when it is not known */
	const struct endpoint *const *items; /* ready ones first, then serving and terminating */
	size_t len;
	size_t ready;
	bool any; /* there is an endpoint, in here or not */
};

/*
 * For whom the policy is Cluster: all. Preferred are those whose hints name this node, if all ready
 * ones have such hints and one of them does; else the same by zone; else all.
 */
int plan_list_cluster(const struct plan_endpoints *endpoints, struct plan_list *ret);

/*
 * For whom the policy is Local: those on a node, whatever their hints. An endpoint without a node
 * is on none. Both return 0, or -ENOMEM with *ret untouched; the caller owns *ret.
 */
int plan_list_local(const struct plan_endpoints *endpoints, const char *node,
		    struct plan_list *ret);

void plan_list_done(struct plan_list *list);

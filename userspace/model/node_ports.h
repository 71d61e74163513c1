/* SPDX-License-Identifier: Apache-2.0 */
/* At which addresses of the nodes NodePorts are reached: kube-proxy's --nodeport-addresses. */
#pragma once

#include "base/addr_range.h"
#include "base/vec.h"

#include <stdbool.h>

struct node;

struct node_ports {
	bool primary;                  /* only at the first address of each family */
	VEC(struct addr_range) ranges; /* only at those in here; empty: at all */
};

/*
 * Parses "" (all), "primary", or ranges in CIDR notation with commas between them. On success the
 * caller owns *ret. Returns 0, -EINVAL or -ENOMEM; *ret is untouched then.
 */
int node_ports_parse(const char *text, struct node_ports *ret);
void node_ports_done(struct node_ports *node_ports);

/* Whether they are reached at all addresses, whatever there are. */
bool node_ports_everywhere(const struct node_ports *node_ports);

/* `node` is whose address it is, for which one is the first; NULL if that is not known. */
bool node_ports_at(const struct node_ports *node_ports, const struct node *node,
		   const struct addr *addr);

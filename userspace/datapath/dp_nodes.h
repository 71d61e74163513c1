/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of nodes, at which NodePorts are reached: what sw_nodes holds. Pure. */
#pragma once

#include "base/vec.h"
#include "swerve_abi.h"

#include <stddef.h>
#include <stdint.h>

struct dp_node {
	struct sw_addr addr;
	uint32_t kind; /* enum sw_node_kind; in a change 0: it goes */
};

struct dp_nodes {
	struct dp_node *items;
	size_t len;
	size_t cap;
};

/*
 * Orders by address. Of an address that is there twice the lower kind stays: it is this node's,
 * whatever another Node object says.
 */
void dp_nodes_sort_unique(struct dp_nodes *nodes);

/*
 * Appends to *changes what makes `want` of `have`, both sorted: first what goes, to make room.
 * Returns 0 or -ENOMEM.
 */
int dp_nodes_diff(const struct dp_nodes *have, const struct dp_nodes *want,
		  struct dp_nodes *changes);

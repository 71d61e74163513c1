/* SPDX-License-Identifier: Apache-2.0 */
/*
 * At which addresses NodePorts are reached, from the Node objects and from the addresses that this
 * node really has. Pure.
 */
#pragma once

#include "datapath/dp_nodes.h"

struct addr_list;
struct model;

/*
 * The addresses that --nodeport-addresses lets through: of this node all that it has and all that its
 * Node object says; of other nodes those of their objects; and 127.0.0.1. Sorted. On success the
 * caller owns ret->items. Returns 0 or -ENOMEM.
 */
int node_table_make(const struct model *model, const struct addr_list *local, struct dp_nodes *ret);

/*
 * The addresses that this node really has, and at which its NodePorts are reached: where its servers for
 * load balancers listen. Empty if that is at all, or, as with kube-proxy (GetNodeIPs()), at none. On
 * success the caller owns ret->items. Returns 0 or -ENOMEM.
 */
int node_table_own(const struct model *model, const struct addr_list *local, struct addr_list *ret);

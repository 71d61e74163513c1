/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/node_table.h"

#include "base/hashmap.h"
#include "datapath/dp_table.h"
#include "model/model.h"
#include "model/node.h"
#include "model/node_ports.h"
#include "net/local_addrs.h"

#include <errno.h>
#include <string.h>

/* 127.0.0.0/8, too, if ranges are asked for, and one of them holds 127.0.0.1. */
static const struct addr loopback = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1}};

static int add(const struct model *model, const struct node *node, const struct addr *addr,
	       enum sw_node_kind kind, struct dp_nodes *nodes)
{
	if (!node_ports_at(model_node_ports(model), node, addr))
		return 0;
	return vec_push(nodes, (struct dp_node){.addr = dp_sw_addr(addr), .kind = kind});
}

static int add_node(const struct model *model, const struct node *node, struct dp_nodes *nodes)
{
	bool this = strcmp(node->name, model_node_name(model)) == 0;

	vec_foreach(&node->addresses, addr) {
		if (add(model, node, addr, this ? SW_NODE_THIS : SW_NODE_OTHER, nodes))
			return -ENOMEM;
	}
	return 0;
}

static int add_this_node(const struct model *model, const struct addr_list *local,
			 struct dp_nodes *nodes)
{
	const struct node *node = model_node(model, model_node_name(model));

	vec_foreach(local, addr) {
		if (add(model, node, addr, SW_NODE_THIS, nodes))
			return -ENOMEM;
	}
	return add(model, node, &loopback, SW_NODE_LOOPBACK, nodes);
}

int node_table_make(const struct model *model, const struct addr_list *local, struct dp_nodes *ret)
{
	struct dp_nodes nodes = {};
	int err = add_this_node(model, local, &nodes);

	hashmap_foreach(model_nodes(model), iter) {
		if (!err)
			err = add_node(model, iter.value, &nodes);
	}
	if (err) {
		vec_done(&nodes);
		return err;
	}
	dp_nodes_sort_unique(&nodes);
	*ret = nodes;
	return 0;
}

static int add_own(const struct model *model, const struct addr *addr, struct addr_list *own)
{
	const struct node *node = model_node(model, model_node_name(model));

	return node_ports_at(model_node_ports(model), node, addr) ? vec_push(own, *addr) : 0;
}

int node_table_own(const struct model *model, const struct addr_list *local, struct addr_list *ret)
{
	struct addr_list own = {};
	int err;

	if (node_ports_everywhere(model_node_ports(model))) {
		*ret = own;
		return 0;
	}
	err = add_own(model, &loopback, &own);
	for (size_t i = 0; !err && i < local->len; i++)
		err = add_own(model, &local->items[i], &own);
	if (err)
		vec_done(&own);
	else
		*ret = own;
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_addrs(const void *a, const void *b)
{
	const struct dp_node *left = a, *right = b;

	return memcmp(&left->addr, &right->addr, sizeof(left->addr));
}

static int compare_nodes(const void *a, const void *b)
{
	const struct dp_node *left = a, *right = b;
	int order = compare_addrs(a, b);

	return order ? order : (left->kind > right->kind) - (left->kind < right->kind);
}

void dp_nodes_sort_unique(struct dp_nodes *nodes)
{
	size_t kept = 0;

	if (!nodes->len)
		return;
	qsort(nodes->items, nodes->len, sizeof(*nodes->items), compare_nodes);
	for (size_t i = 1; i < nodes->len; i++) {
		if (compare_addrs(&nodes->items[kept], &nodes->items[i]))
			nodes->items[++kept] = nodes->items[i];
	}
	nodes->len = kept + 1;
}

static const struct dp_node *find(const struct dp_nodes *nodes, const struct dp_node *key)
{
	return nodes->len ? bsearch(key, nodes->items, nodes->len, sizeof(*key), compare_addrs)
			  : NULL;
}

int dp_nodes_diff(const struct dp_nodes *have, const struct dp_nodes *want,
		  struct dp_nodes *changes)
{
	vec_foreach(have, node) {
		if (find(want, node))
			continue;
		if (vec_push(changes, (struct dp_node){.addr = node->addr}))
			return -ENOMEM;
	}
	vec_foreach(want, node) {
		const struct dp_node *known = find(have, node);

		if (known && known->kind == node->kind)
			continue;
		if (vec_push(changes, *node))
			return -ENOMEM;
	}
	return 0;
}

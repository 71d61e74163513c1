/* SPDX-License-Identifier: Apache-2.0 */
#include "model/node.h"

#include <stdlib.h>
#include <string.h>

bool node_equal(const struct node *a, const struct node *b)
{
	if (strcmp(a->name, b->name) || strcmp(a->zone, b->zone) || a->leaving != b->leaving ||
	    a->addresses.len != b->addresses.len)
		return false;
	for (size_t i = 0; i < a->addresses.len; i++) {
		if (!addr_equal(&a->addresses.items[i], &b->addresses.items[i]))
			return false;
	}
	return true;
}

void node_free(struct node *node)
{
	if (!node)
		return;
	vec_done(&node->addresses);
	free(node->name);
	free(node->zone);
	free(node);
}

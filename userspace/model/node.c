/* SPDX-License-Identifier: Apache-2.0 */
#include "model/node.h"

#include <stdlib.h>

void node_free(struct node *node)
{
	if (!node)
		return;
	vec_done(&node->addresses);
	free(node->name);
	free(node->zone);
	free(node);
}

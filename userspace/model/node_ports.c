/* SPDX-License-Identifier: Apache-2.0 */
#include "model/node_ports.h"

#include "base/cleanup.h"
#include "model/node.h"

#include <errno.h>
#include <string.h>

void node_ports_done(struct node_ports *node_ports)
{
	vec_done(&node_ports->ranges);
}

int node_ports_parse(const char *text, struct node_ports *ret)
{
	_cleanup_(node_ports_done) struct node_ports parsed = {};
	_cleanup_free_ char *copy = strdup(text);
	char *save, *word;

	if (!copy)
		return -ENOMEM;
	if (strcmp(text, "primary") == 0) {
		parsed.primary = true;
	} else {
		for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
			struct addr_range range;

			if (addr_range_from_str(word, &range) < 0)
				return -EINVAL;
			if (vec_push(&parsed.ranges, range) < 0)
				return -ENOMEM;
		}
	}
	*ret = TAKE_VALUE(parsed);
	return 0;
}

bool node_ports_everywhere(const struct node_ports *node_ports)
{
	return !node_ports->primary && node_ports->ranges.len == 0;
}

static bool is_first(const struct node *node, const struct addr *addr)
{
	vec_foreach(&node->addresses, other) {
		if (addr_is_v4(other) == addr_is_v4(addr))
			return addr_equal(other, addr);
	}
	return false;
}

bool node_ports_at(const struct node_ports *node_ports, const struct node *node,
		   const struct addr *addr)
{
	if (node_ports->primary)
		return node && is_first(node, addr);
	vec_foreach(&node_ports->ranges, range) {
		if (addr_range_has(range, addr))
			return true;
	}
	return node_ports_everywhere(node_ports);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "model/plan_lists.h"

#include "base/cleanup.h"
#include "model/endpoint.h"

#include <errno.h>
#include <string.h>

/* Which kind of hint decides; the zone is known, or there is none that could match. */
enum topology { TOPOLOGY_NONE, TOPOLOGY_ZONE, TOPOLOGY_NODE };

struct hints {
	char *const *items;
	size_t len;
};

void plan_list_done(struct plan_list *list)
{
	vec_done(&list->members);
}

static struct hints hints_of(const struct endpoint *endpoint, enum topology topology)
{
	if (topology == TOPOLOGY_NODE)
		return (struct hints){endpoint->node_hints.items, endpoint->node_hints.len};
	return (struct hints){endpoint->zone_hints.items, endpoint->zone_hints.len};
}

static const char *here(const struct plan_endpoints *endpoints, enum topology topology)
{
	return topology == TOPOLOGY_NODE ? endpoints->node : endpoints->zone;
}

static bool is_meant(const struct plan_endpoints *endpoints, const struct endpoint *endpoint,
		     enum topology topology)
{
	struct hints hints = hints_of(endpoint, topology);

	for (size_t i = 0; i < hints.len; i++) {
		if (strcmp(hints.items[i], here(endpoints, topology)) == 0)
			return true;
	}
	return topology == TOPOLOGY_NONE;
}

/* Only ready endpoints are asked; one without a hint of that kind is enough to ignore all of them. */
static bool decides(const struct plan_endpoints *endpoints, enum topology topology)
{
	bool any = false;

	if (!*here(endpoints, topology))
		return false;
	for (size_t i = 0; i < endpoints->ready; i++) {
		if (hints_of(endpoints->items[i], topology).len == 0)
			return false;
		any |= is_meant(endpoints, endpoints->items[i], topology);
	}
	return any;
}

static enum topology choose_topology(const struct plan_endpoints *endpoints)
{
	if (decides(endpoints, TOPOLOGY_NODE))
		return TOPOLOGY_NODE;
	return decides(endpoints, TOPOLOGY_ZONE) ? TOPOLOGY_ZONE : TOPOLOGY_NONE;
}

static int push_members(const struct plan_endpoints *endpoints, enum topology topology, bool meant,
			struct plan_list *list)
{
	for (size_t i = 0; i < endpoints->ready; i++) {
		if (is_meant(endpoints, endpoints->items[i], topology) != meant)
			continue;
		if (vec_push(&list->members, (uint32_t)i) < 0)
			return -ENOMEM;
	}
	return 0;
}

int plan_list_cluster(const struct plan_endpoints *endpoints, struct plan_list *ret)
{
	_cleanup_(plan_list_done) struct plan_list list = {};
	enum topology topology = choose_topology(endpoints);

	if (push_members(endpoints, topology, true, &list) < 0)
		return -ENOMEM;
	list.preferred = list.members.len;
	if (push_members(endpoints, topology, false, &list) < 0)
		return -ENOMEM;
	list.ready = list.members.len;
	for (size_t i = endpoints->ready; i < endpoints->len; i++) {
		if (vec_push(&list.members, (uint32_t)i) < 0)
			return -ENOMEM;
	}
	*ret = TAKE_VALUE(list);
	return 0;
}

int plan_list_local(const struct plan_endpoints *endpoints, const char *node, struct plan_list *ret)
{
	_cleanup_(plan_list_done) struct plan_list list = {};

	for (size_t i = 0; i < endpoints->len; i++) {
		if (!*node || strcmp(endpoints->items[i]->node_name, node) != 0)
			continue;
		if (vec_push(&list.members, (uint32_t)i) < 0)
			return -ENOMEM;
		list.ready += i < endpoints->ready;
	}
	list.preferred = list.ready;
	list.elsewhere = endpoints->any && list.members.len == 0;
	*ret = TAKE_VALUE(list);
	return 0;
}

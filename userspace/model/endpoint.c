/* SPDX-License-Identifier: Apache-2.0 */
#include "model/endpoint.h"

#include <stdlib.h>

void endpoint_done(struct endpoint *endpoint)
{
	free(endpoint->node_name);
	free(endpoint->target);
	free(endpoint->uid);
	vec_foreach(&endpoint->zone_hints, hint)
		free(*hint);
	vec_done(&endpoint->zone_hints);
	vec_foreach(&endpoint->node_hints, hint)
		free(*hint);
	vec_done(&endpoint->node_hints);
	*endpoint = (struct endpoint){};
}

void endpoint_subset_done(struct endpoint_subset *subset)
{
	vec_foreach(&subset->endpoints, endpoint)
		endpoint_done(endpoint);
	vec_done(&subset->endpoints);
	vec_foreach(&subset->ports, port)
		free(port->name);
	vec_done(&subset->ports);
}

void endpoint_group_free(struct endpoint_group *group)
{
	if (!group)
		return;
	vec_foreach(&group->subsets, subset)
		endpoint_subset_done(subset);
	vec_done(&group->subsets);
	free(group->namespace);
	free(group->name);
	free(group->service);
	free(group);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "model/plan.h"

#include "base/cleanup.h"
#include "model/candidates.h"
#include "model/endpoint.h"
#include "model/model.h"
#include "model/node.h"
#include "model/node_ports.h"
#include "model/service.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What is the same for all ports of a service. */
struct planner {
	const struct model *model;
	const struct service *service;
	struct retry_policy retry;
	const struct endpoint_group **groups;
	size_t groups_len;
	const char *node; /* this one */
	const char *zone;
	bool dual_stack; /* the service has ClusterIPs of both families */
};

/* One port in one family. */
struct port_planner {
	const struct planner *planner;
	const struct service_port *port;
	bool v4;
	bool everywhere;                   /* something uses the endpoints of all nodes */
	VEC(const struct endpoint *) from; /* parallel to result->endpoints */
	bool any;                 /* there is an endpoint, whether it is used here or not */
	struct plan_port *result; /* borrowed */
};

static const struct addr any_v4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0}};
static const struct addr any_v6 = {};

static void plan_port_done(struct plan_port *port)
{
	vec_foreach(&port->endpoints, endpoint) {
		free(endpoint->target);
		free(endpoint->uid);
	}
	vec_done(&port->endpoints);
	vec_done(&port->frontends);
	vec_done(&port->source_ranges);
	vec_foreach(&port->lists, list)
		plan_list_done(list);
	vec_done(&port->lists);
}

void plan_done(struct plan *plan)
{
	vec_foreach(&plan->ports, port)
		plan_port_done(port);
	vec_done(&plan->ports);
	plan->skipped = 0;
}

static bool has_family(const struct addr *addrs, size_t len, bool v4)
{
	for (size_t i = 0; i < len; i++) {
		if (addr_is_v4(&addrs[i]) == v4)
			return true;
	}
	return false;
}

/* From outside of the cluster, in this family. */
static bool is_reachable(const struct service *service, const struct service_port *port, bool v4)
{
	return port->node_port ||
	       has_family(service->external_ips.items, service->external_ips.len, v4) ||
	       has_family(service->balancer_ips.items, service->balancer_ips.len, v4);
}

/* An endpoint without a node is local nowhere, not even to a node without a name. */
static bool is_local(const struct endpoint *endpoint, const char *node)
{
	return *node && strcmp(endpoint->node_name, node) == 0;
}

static int push_endpoint(struct port_planner *planner, const struct candidate *candidate)
{
	_cleanup_free_ char *target = strdup(candidate->endpoint->target);
	_cleanup_free_ char *uid = strdup(candidate->endpoint->uid);
	struct plan_endpoint endpoint = {
		.addr = candidate->endpoint->addr,
		.port = candidate->port,
		.target = target,
		.uid = uid,
		.node = candidate->endpoint->node_name,
	};

	if (!target || !uid || vec_push(&planner->from, candidate->endpoint) < 0 ||
	    vec_push(&planner->result->endpoints, endpoint) < 0)
		return -ENOMEM;
	TAKE_PTR(target);
	TAKE_PTR(uid);
	return 0;
}

/*
 * An endpoint that terminates is "ready" only if its Service publishes addresses that are not ready:
 * then it is to be used like any other.
 */
static bool is_candidate(const struct endpoint *endpoint, bool ready)
{
	return ready ? endpoint->ready
		     : !endpoint->ready && endpoint->serving && endpoint->terminating;
}

static int push_endpoints(struct port_planner *planner, const struct candidates *candidates,
			  bool ready)
{
	vec_foreach(&candidates->list, candidate) {
		if (!is_candidate(candidate->endpoint, ready))
			continue;
		planner->any = true;
		if (!planner->everywhere && !is_local(candidate->endpoint, planner->planner->node))
			continue;
		if (push_endpoint(planner, candidate) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int plan_endpoints(struct port_planner *planner)
{
	_cleanup_(candidates_done) struct candidates candidates = {};
	const struct planner *all = planner->planner;
	int r = candidates_collect(all->groups, all->groups_len, planner->port, planner->v4,
				   &candidates);

	if (r < 0)
		return r;
	r = push_endpoints(planner, &candidates, true);
	if (r < 0)
		return r;
	planner->result->ready = planner->result->endpoints.len;
	return push_endpoints(planner, &candidates, false);
}

static struct plan_endpoints list_input(const struct port_planner *planner)
{
	return (struct plan_endpoints){
		.node = planner->planner->node,
		.zone = planner->planner->zone,
		.items = planner->from.items,
		.len = planner->from.len,
		.ready = planner->result->ready,
		.any = planner->any,
	};
}

/* Takes the list, also on failure. */
static int push_list(struct port_planner *planner, struct plan_list list, uint32_t *ret_position)
{
	int r = vec_push(&planner->result->lists, list);

	if (r < 0)
		plan_list_done(&list);
	else
		*ret_position = (uint32_t)planner->result->lists.len - 1;
	return r;
}

static int add_cluster_list(struct port_planner *planner, uint32_t *ret)
{
	struct plan_endpoints input = list_input(planner);
	struct plan_list list;
	int r = plan_list_cluster(&input, &list);

	return r < 0 ? r : push_list(planner, list, ret);
}

/* `node` "": a list of none. */
static int add_local_list(struct port_planner *planner, const char *node, uint32_t *ret)
{
	struct plan_endpoints input = list_input(planner);
	struct plan_list list;
	int r = plan_list_local(&input, node, &list);

	return r < 0 ? r : push_list(planner, list, ret);
}

static int add_frontend(struct port_planner *planner, const struct plan_frontend *frontend)
{
	if (addr_is_v4(&frontend->addr) != planner->v4)
		return 0;
	return vec_push(&planner->result->frontends, *frontend);
}

static int add_frontends(struct port_planner *planner, const struct addr *addrs, size_t len,
			 uint32_t list, enum plan_claim claim)
{
	for (size_t i = 0; i < len; i++) {
		struct plan_frontend frontend = {.scope = PLAN_AT_ADDRESS,
						 .addr = addrs[i],
						 .port = planner->port->port,
						 .list = list,
						 .claim = claim};
		int r = add_frontend(planner, &frontend);

		if (r < 0)
			return r;
	}
	return 0;
}

static void sort_source_ranges(struct plan_port *port)
{
	struct addr_range *items = port->source_ranges.items;
	size_t len = 0;

	if (!items)
		return;
	qsort(items, port->source_ranges.len, sizeof(*items), addr_range_compare);
	for (size_t i = 0; i < port->source_ranges.len; i++) {
		if (!len || addr_range_compare(&items[len - 1], &items[i]) != 0)
			items[len++] = items[i];
	}
	port->source_ranges.len = len;
}

/*
 * Those of the family count. One that holds all addresses is as good as none at all: then nothing has
 * to be looked at.
 */
static int plan_source_ranges(struct port_planner *planner)
{
	const struct service *service = planner->planner->service;
	unsigned int all = planner->v4 ? 96 : 0;

	vec_foreach(&service->source_ranges, range) {
		if (addr_is_v4(&range->addr) != planner->v4)
			continue;
		if (range->prefix == all) {
			planner->result->source_ranges.len = 0;
			return 0;
		}
		if (vec_push(&planner->result->source_ranges, *range))
			return -ENOMEM;
	}
	sort_source_ranges(planner->result);
	return 0;
}

/*
 * What comes from the node's network has the node's address, as kube-proxy sees it: on its way to the
 * load balancer. On its way to a pod it has the address of whatever interface leads there.
 */
static bool ranges_have_node(const struct port_planner *planner)
{
	const struct model *model = planner->planner->model;
	const struct node *node = model_node(model, planner->planner->node);

	for (size_t i = 0; node && i < node->addresses.len; i++) {
		vec_foreach(&planner->result->source_ranges, range) {
			if (addr_range_has(range, &node->addresses.items[i]))
				return true;
		}
	}
	return false;
}

static int add_balancer_frontends(struct port_planner *planner, uint32_t list)
{
	const struct service *service = planner->planner->service;
	size_t first = planner->result->frontends.len;
	enum plan_clients clients = PLAN_FOR_ALL;
	int r = add_frontends(planner, service->balancer_ips.items, service->balancer_ips.len, list,
			      PLAN_CLAIM_BALANCER);

	if (r == 0 && planner->result->frontends.len > first)
		r = plan_source_ranges(planner);
	if (r == 0 && planner->result->source_ranges.len)
		clients = ranges_have_node(planner) ? PLAN_FOR_RANGES_AND_NODE : PLAN_FOR_RANGES;
	for (size_t i = first; i < planner->result->frontends.len; i++)
		planner->result->frontends.items[i].clients = clients;
	return r;
}

struct placed {
	const char *node;
	uint32_t position; /* in port_planner.from */
};

static int compare_placed(const void *left, const void *right)
{
	const struct placed *a = left, *b = right;
	int order = strcmp(a->node, b->node);

	return order ? order : (a->position > b->position) - (a->position < b->position);
}

/* The endpoints by node, so that each node's are found without going through all of them. */
static struct placed *sort_by_node(const struct port_planner *planner)
{
	size_t len = planner->from.len;
	struct placed *sorted = reallocarray(NULL, len + 1, sizeof(*sorted));

	for (size_t i = 0; sorted && i < len; i++)
		sorted[i] = (struct placed){planner->from.items[i]->node_name, (uint32_t)i};
	if (sorted)
		qsort(sorted, len, sizeof(*sorted), compare_placed);
	return sorted;
}

static int add_placed_list(struct port_planner *planner, const struct placed *first, size_t len,
			   uint32_t *ret)
{
	struct plan_list list = {};

	for (size_t i = 0; i < len; i++) {
		if (vec_push(&list.members, first[i].position) < 0) {
			plan_list_done(&list);
			return -ENOMEM;
		}
		list.ready += first[i].position < planner->result->ready;
	}
	list.preferred = list.ready;
	return push_list(planner, list, ret);
}

static int add_node_port(struct port_planner *planner, enum plan_scope scope,
			 const struct addr *addr, uint32_t list)
{
	struct plan_frontend frontend = {.scope = scope,
					 .addr = *addr,
					 .port = planner->port->node_port,
					 .list = list,
					 .claim = PLAN_CLAIM_NODE_PORT};

	return add_frontend(planner, &frontend);
}

/*
 * The NodePort of one other node leads to the endpoints on that node. An address that is this node's,
 * too, since the other Node object is outdated, stays this node's: the kernel looks that up first.
 */
static int plan_other_node(struct port_planner *planner, const struct placed *first, size_t len)
{
	const struct model *model = planner->planner->model;
	const char *name = first->node;
	const struct node *node = *name ? model_node(model, name) : NULL;
	uint32_t list;
	int r;

	if (!node || strcmp(name, planner->planner->node) == 0)
		return 0;
	r = add_placed_list(planner, first, len, &list);
	for (size_t i = 0; r == 0 && i < node->addresses.len; i++) {
		const struct addr *addr = &node->addresses.items[i];

		if (node_ports_at(model_node_ports(model), node, addr))
			r = add_node_port(planner, PLAN_AT_OTHER_NODES, addr, list);
	}
	return r;
}

/* For those nodes that have endpoints; the others have the list of none. */
static int plan_other_nodes(struct port_planner *planner)
{
	_cleanup_free_ struct placed *sorted = sort_by_node(planner);
	size_t len = planner->from.len, end;
	int r = sorted ? 0 : -ENOMEM;

	for (size_t first = 0; r == 0 && first < len; first = end) {
		for (end = first + 1; end < len; end++) {
			if (strcmp(sorted[end].node, sorted[first].node) != 0)
				break;
		}
		r = plan_other_node(planner, &sorted[first], end - first);
	}
	return r;
}

static int plan_node_port(struct port_planner *planner, uint32_t cluster)
{
	const struct addr *any = planner->v4 ? &any_v4 : &any_v6;
	bool local = planner->planner->service->external_policy == POLICY_LOCAL;
	uint32_t others = cluster;
	int r = add_node_port(planner, PLAN_AT_THIS_NODE, any, cluster);

	if (r == 0 && local)
		r = add_local_list(planner, "", &others);
	if (r == 0)
		r = add_node_port(planner, PLAN_AT_OTHER_NODES, any, others);
	return r == 0 && local ? plan_other_nodes(planner) : r;
}

static int plan_frontends(struct port_planner *planner)
{
	const struct service *service = planner->planner->service;
	uint32_t cluster = 0, internal = 0;
	int r = 0;

	if (planner->everywhere)
		r = add_cluster_list(planner, &cluster);
	internal = cluster;
	if (r == 0 && service->internal_policy == POLICY_LOCAL)
		r = add_local_list(planner, planner->planner->node, &internal);
	if (r == 0)
		r = add_frontends(planner, service->cluster_ips.items, service->cluster_ips.len,
				  internal, PLAN_CLAIM_CLUSTER);
	/* Of the same address twice the first counts: the one that loadBalancerSourceRanges restrict. */
	if (r == 0)
		r = add_balancer_frontends(planner, cluster);
	if (r == 0)
		r = add_frontends(planner, service->external_ips.items, service->external_ips.len,
				  cluster, PLAN_CLAIM_EXTERNAL);
	return r == 0 && planner->port->node_port ? plan_node_port(planner, cluster) : r;
}

static int plan_name(const struct planner *planner, const struct service_port *port, bool v4,
		     char name[static PLAN_NAME_SIZE])
{
	const char *proto = port->proto == IPPROTO_UDP ? "udp" : "tcp";
	const char *suffix = planner->dual_stack && !v4 ? "/6" : "";
	int len = snprintf(name, PLAN_NAME_SIZE, "%s/%s:%u/%s%s", planner->service->namespace,
			   planner->service->name, port->port, proto, suffix);

	return len < PLAN_NAME_SIZE ? 0 : -ENAMETOOLONG;
}

static int plan_one_port(const struct planner *planner, const struct service_port *port, bool v4,
			 struct plan *plan)
{
	const struct service *service = planner->service;
	_cleanup_(plan_port_done) struct plan_port plan_port = {
		.proto = port->proto,
		.probe = service->probe,
		.conns = service->conns,
		.steer = service->steer,
		.retry = planner->retry,
		.affinity_timeout = service->affinity_timeout,
	};
	struct port_planner port_planner = {
		.planner = planner,
		.port = port,
		.v4 = v4,
		.everywhere = service->internal_policy == POLICY_CLUSTER ||
			      is_reachable(service, port, v4),
		.result = &plan_port,
	};
	int r;

	/* Without a ClusterIP of this family, nothing of the Service is of this family. */
	if (!has_family(service->cluster_ips.items, service->cluster_ips.len, v4))
		return 0;
	r = plan_name(planner, port, v4, plan_port.name);
	if (r == 0)
		r = plan_endpoints(&port_planner);
	if (r == 0)
		r = plan_frontends(&port_planner);
	vec_done(&port_planner.from);
	if (r < 0)
		return r;
	r = vec_push(&plan->ports, plan_port);
	if (r == 0)
		plan_port = (struct plan_port){};
	return r;
}

static int plan_ports(const struct planner *planner, struct plan *plan)
{
	vec_foreach(&planner->service->ports, port) {
		int r;

		if (port->proto != IPPROTO_TCP && port->proto != IPPROTO_UDP) {
			plan->skipped++;
			continue;
		}
		r = plan_one_port(planner, port, true, plan);
		if (r == 0)
			r = plan_one_port(planner, port, false, plan);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_dual_stack(const struct service *service)
{
	return has_family(service->cluster_ips.items, service->cluster_ips.len, true) &&
	       has_family(service->cluster_ips.items, service->cluster_ips.len, false);
}

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct addr));
}

/* Not those that terminate, although they may still be used: the node should get no more traffic. */
static bool counts_for_health_check(const struct planner *planner, const struct endpoint *endpoint)
{
	return endpoint->ready && is_local(endpoint, planner->node) &&
	       addr_is_v4(&endpoint->addr) == addr_is_v4(&planner->service->cluster_ips.items[0]);
}

/* Addresses in the primary family, each once, whatever ports they offer. */
static int count_local_ready(const struct planner *planner, size_t *ret)
{
	VEC(struct addr) addrs = {};
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; i < planner->groups_len; i++) {
		vec_foreach(&planner->groups[i]->subsets, subset) {
			vec_foreach(&subset->endpoints, endpoint) {
				if (r == 0 && counts_for_health_check(planner, endpoint))
					r = vec_push(&addrs, endpoint->addr);
			}
		}
	}
	if (addrs.len)
		qsort(addrs.items, addrs.len, sizeof(*addrs.items), compare_addrs);
	for (size_t i = 0; i < addrs.len; i++)
		count += i == 0 || compare_addrs(&addrs.items[i - 1], &addrs.items[i]) != 0;
	vec_done(&addrs);
	*ret = count;
	return r;
}

int plan_service(const struct model *model, const char *namespace, const char *name,
		 struct plan *ret)
{
	_cleanup_(plan_done) struct plan plan = {};
	_cleanup_free_ const struct endpoint_group **groups = NULL;
	struct planner planner = {.model = model, .service = model_service(model, namespace, name)};
	const struct node *node;
	int r;

	if (!planner.service || planner.service->cluster_ips.len == 0) {
		*ret = plan;
		return 0;
	}
	planner.groups_len = model_endpoints(model, namespace, name, NULL, 0);
	groups = reallocarray(NULL, planner.groups_len + 1, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	model_endpoints(model, namespace, name, groups, planner.groups_len);
	planner.groups = groups;
	planner.node = model_node_name(model);
	node = model_node(model, planner.node);
	planner.zone = node ? node->zone : "";
	planner.retry = retry_policy_merge(&planner.service->retry, model_retry_defaults(model));
	planner.dual_stack = is_dual_stack(planner.service);
	r = plan_ports(&planner, &plan);
	plan.health_check_port = planner.service->health_check_port;
	if (r == 0 && plan.health_check_port)
		r = count_local_ready(&planner, &plan.local_ready);
	if (r < 0)
		return r;
	*ret = TAKE_VALUE(plan);
	return 0;
}

enum plan_claim plan_claim(const struct plan *plan, const char *port_name,
			   const struct plan_frontend *frontend)
{
	enum plan_claim best = PLAN_CLAIM_NONE;

	vec_foreach(&plan->ports, port) {
		if (strcmp(port->name, port_name))
			continue;
		vec_foreach(&port->frontends, have) {
			if (have->scope == frontend->scope && have->port == frontend->port &&
			    addr_equal(&have->addr, &frontend->addr) && have->claim > best)
				best = have->claim;
		}
	}
	return best;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For one port: every endpoint that offers it is a candidate, whatever its conditions. Sorting
 * brings equal addresses together with the one that counts first; only then are conditions and
 * node looked at, so that an entry that loses does not come back in through another part.
 */
#include "model/plan.h"

#include "base/cleanup.h"
#include "model/endpoint.h"
#include "model/model.h"
#include "model/service.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct candidate {
	const struct endpoint *endpoint;
	uint16_t port;
	size_t order; /* in which it was found: makes the result independent of the sort */
};

struct candidates {
	VEC(struct candidate) list;
};

/* What is the same for all ports of a service. */
struct planner {
	const struct service *service;
	const struct endpoint_group **groups;
	size_t groups_len;
	const char *local_node; /* NULL: endpoints of all nodes */
	bool dual_stack;        /* the service has ClusterIPs of both families */
};

static void plan_port_done(struct plan_port *port)
{
	vec_foreach(&port->endpoints, endpoint) {
		free(endpoint->target);
		free(endpoint->uid);
	}
	vec_done(&port->endpoints);
	vec_done(&port->frontends);
}

void plan_done(struct plan *plan)
{
	vec_foreach(&plan->ports, port)
		plan_port_done(port);
	vec_done(&plan->ports);
	plan->skipped = 0;
}

static void candidates_done(struct candidates *candidates)
{
	vec_done(&candidates->list);
}

static int collect_subset(const struct endpoint_subset *subset, const struct service_port *port,
			  bool v4, struct candidates *candidates)
{
	vec_foreach(&subset->ports, offered) {
		if (offered->proto != port->proto || strcmp(offered->name, port->name) != 0)
			continue;
		vec_foreach(&subset->endpoints, endpoint) {
			struct candidate candidate = {endpoint, offered->port,
						      candidates->list.len};

			if (addr_is_v4(&endpoint->addr) != v4)
				continue;
			if (vec_push(&candidates->list, candidate) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static int collect(const struct planner *planner, const struct service_port *port, bool v4,
		   struct candidates *candidates)
{
	for (size_t i = 0; i < planner->groups_len; i++) {
		vec_foreach(&planner->groups[i]->subsets, subset) {
			int r = collect_subset(subset, port, v4, candidates);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int candidate_compare_address(const struct candidate *a, const struct candidate *b)
{
	int r = memcmp(&a->endpoint->addr, &b->endpoint->addr, sizeof(a->endpoint->addr));

	return r ? r : a->port - b->port;
}

/*
 * Which of two entries for the same address and port counts: the one that is not terminating, as
 * its address was given to a new pod; else the one that can do more.
 */
static int candidate_rank(const struct candidate *candidate)
{
	const struct endpoint *endpoint = candidate->endpoint;

	return (endpoint->terminating ? 4 : 0) + (endpoint->ready ? 0 : 2) +
	       (endpoint->serving ? 0 : 1);
}

static int candidate_compare(const void *left, const void *right)
{
	const struct candidate *a = left;
	const struct candidate *b = right;
	int r = candidate_compare_address(a, b);

	if (r == 0)
		r = candidate_rank(a) - candidate_rank(b);
	if (r == 0)
		r = a->order < b->order ? -1 : 1;
	return r;
}

static void candidates_sort_unique(struct candidates *candidates)
{
	struct candidate *items = candidates->list.items;
	size_t kept = 0;

	if (candidates->list.len == 0)
		return;
	qsort(items, candidates->list.len, sizeof(*items), candidate_compare);
	for (size_t i = 1; i < candidates->list.len; i++) {
		if (candidate_compare_address(&items[kept], &items[i]) != 0)
			items[++kept] = items[i];
	}
	candidates->list.len = kept + 1;
}

static int push_endpoint(struct plan_port *plan_port, const struct candidate *candidate)
{
	_cleanup_free_ char *target = strdup(candidate->endpoint->target);
	_cleanup_free_ char *uid = strdup(candidate->endpoint->uid);
	struct plan_endpoint endpoint = {candidate->endpoint->addr, candidate->port, target, uid};

	if (!target || !uid || vec_push(&plan_port->endpoints, endpoint) < 0)
		return -ENOMEM;
	TAKE_PTR(target);
	TAKE_PTR(uid);
	return 0;
}

/* An endpoint without a node is local nowhere, not even to a node without a name. */
static bool is_local(const struct endpoint *endpoint, const char *node)
{
	return *node && strcmp(endpoint->node_name, node) == 0;
}

static bool is_wanted(const struct planner *planner, const struct endpoint *endpoint,
		      bool terminating)
{
	if (planner->local_node && !is_local(endpoint, planner->local_node))
		return false;
	if (terminating)
		return endpoint->serving && endpoint->terminating;
	return endpoint->ready && !endpoint->terminating;
}

static int push_endpoints(const struct planner *planner, const struct candidates *candidates,
			  bool terminating, struct plan_port *plan_port)
{
	vec_foreach(&candidates->list, candidate) {
		if (!is_wanted(planner, candidate->endpoint, terminating))
			continue;
		if (push_endpoint(plan_port, candidate) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int plan_endpoints(const struct planner *planner, const struct service_port *port, bool v4,
			  struct plan_port *plan_port)
{
	_cleanup_(candidates_done) struct candidates candidates = {};
	int r = collect(planner, port, v4, &candidates);

	if (r < 0)
		return r;
	candidates_sort_unique(&candidates);
	r = push_endpoints(planner, &candidates, false, plan_port);
	if (r < 0)
		return r;
	plan_port->ready = plan_port->endpoints.len;
	return push_endpoints(planner, &candidates, true, plan_port);
}

static int plan_frontends(const struct service *service, const struct service_port *port, bool v4,
			  struct plan_port *plan_port)
{
	vec_foreach(&service->cluster_ips, addr) {
		struct plan_frontend frontend = {*addr, port->port};

		if (addr_is_v4(addr) != v4)
			continue;
		if (vec_push(&plan_port->frontends, frontend) < 0)
			return -ENOMEM;
	}
	return 0;
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
	_cleanup_(plan_port_done) struct plan_port plan_port = {
		.proto = port->proto,
		.probe = planner->service->probe,
		.conns = planner->service->conns,
		.steer = planner->service->steer,
		.affinity_timeout = planner->service->affinity_timeout,
	};
	int r = plan_name(planner, port, v4, plan_port.name);

	if (r < 0)
		return r;
	r = plan_frontends(planner->service, port, v4, &plan_port);
	if (r < 0 || plan_port.frontends.len == 0)
		return r;
	r = plan_endpoints(planner, port, v4, &plan_port);
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
	bool v4 = false;
	bool v6 = false;

	vec_foreach(&service->cluster_ips, addr) {
		v4 |= addr_is_v4(addr);
		v6 |= !addr_is_v4(addr);
	}
	return v4 && v6;
}

int plan_service(const struct model *model, const char *namespace, const char *name,
		 struct plan *ret)
{
	_cleanup_(plan_done) struct plan plan = {};
	_cleanup_free_ const struct endpoint_group **groups = NULL;
	struct planner planner = {.service = model_service(model, namespace, name)};
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
	if (planner.service->internal_policy == POLICY_LOCAL)
		planner.local_node = model_node_name(model);
	planner.dual_stack = is_dual_stack(planner.service);
	r = plan_ports(&planner, &plan);
	if (r < 0)
		return r;
	*ret = plan;
	plan = (struct plan){};
	return 0;
}

bool plan_has_frontend(const struct plan *plan, const char *port_name, const struct addr *addr,
		       uint16_t port)
{
	vec_foreach(&plan->ports, candidate) {
		if (strcmp(candidate->name, port_name))
			continue;
		vec_foreach(&candidate->frontends, frontend) {
			if (frontend->port == port && addr_equal(&frontend->addr, addr))
				return true;
		}
	}
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes through the decoder, and what comes out of it through the model and the plan. Besides
 * what the sanitizers find, this checks what the values promise.
 */
#include "model/endpoint.h"
#include "model/model.h"
#include "model/node.h"
#include "model/node_ports.h"
#include "model/plan.h"
#include "model/pod.h"
#include "model/service.h"
#include "source/decode.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const struct node_ports everywhere;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(), which NDEBUG would take out. */
static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_name(const char *name, size_t min, size_t max)
{
	require(strlen(name) >= min && strlen(name) <= max);
	require(strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
		strlen(name));
}

static void check_service(const struct service *service)
{
	check_name(service->namespace, 1, 63);
	check_name(service->name, 1, 63);
	require(service->cluster_ips.len <= 2);
	vec_foreach(&service->cluster_ips, addr)
		require(!addr_unusable(addr));
	vec_foreach(&service->ports, port) {
		check_name(port->name, 0, 63);
		require(port->port > 0);
	}
	require(service->probe.path[0] == '/');
}

static void check_group(const struct endpoint_group *group)
{
	check_name(group->namespace, 1, 63);
	check_name(group->name, 1, 253);
	check_name(group->service, 1, 253);
	vec_foreach(&group->subsets, subset) {
		vec_foreach(&subset->ports, port) {
			check_name(port->name, 0, 63);
			require(port->port > 0);
		}
		vec_foreach(&subset->endpoints, endpoint) {
			require(!addr_unusable(&endpoint->addr));
			check_name(endpoint->node_name, 0, 253);
			check_name(endpoint->uid, 0, 253);
			require(strlen(endpoint->target) <= 63 + 1 + 253);
		}
	}
}

static void check_pod(const struct pod *pod)
{
	check_name(pod->name, 1, 253);
	vec_foreach(&pod->containers, container) {
		vec_foreach(&container->ports, port)
			require(port->port > 0);
		require(!container->has_probe || container->probe.port);
		require(container->probe.path[0] == '/');
		require(strlen(container->probe.path) < PROBE_PATH_SIZE);
		require(strlen(container->probe.headers) < PROBE_HEADERS_SIZE);
	}
}

static void check_object(const struct object *object)
{
	switch (object->kind) {
	case OBJECT_SERVICE:
		check_service(object->service);
		break;
	case OBJECT_SLICE:
	case OBJECT_ENDPOINTS:
		check_group(object->endpoints);
		break;
	case OBJECT_NODE:
		check_name(object->node->name, 1, 253);
		require(object->node->zone != NULL);
		break;
	case OBJECT_POD:
		check_pod(object->pod);
		break;
	case OBJECT_KIND_COUNT:
		abort();
	}
}

static void on_object(void *arg, struct object *object, uint64_t digest)
{
	(void)digest;
	check_object(object);
	require(model_put(arg, object) == 0);
}

static void on_problem(void *arg, const struct decode_problem *problem)
{
	(void)arg;
	require(problem->text[0] != 0);
	require((problem->name == NULL) == (problem->namespace == NULL));
}

static void check_plan(const struct plan *plan)
{
	vec_foreach(&plan->ports, port) {
		require(port->frontends.len > 0 && port->ready <= port->endpoints.len);
		require(port->proto == IPPROTO_TCP || port->proto == IPPROTO_UDP);
		vec_foreach(&port->endpoints, endpoint)
			require(addr_is_v4(&endpoint->addr) ==
				addr_is_v4(&port->frontends.items[0].addr));
	}
}

/* Endpoints without a Service have names of up to 253 characters; they have no plan. */
static void plan_all(struct model *model)
{
	char *namespace;
	char *name;

	while (model_next_changed(model, &namespace, &name) == 1) {
		struct plan plan = {};

		require(plan_service(model, namespace, name, &plan) == 0);
		check_plan(&plan);
		plan_done(&plan);
		free(namespace);
		free(name);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model *model;
	struct decode_events events = {.object = on_object, .problem = on_problem};
	int r;

	require(model_new("node-1", &everywhere, &model) == 0);
	events.arg = model;
	r = decode((const char *)data, size, &events);
	require(r == 0 || r == -EINVAL);
	plan_all(model);
	model_free(model);
	return 0;
}

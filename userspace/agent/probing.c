/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/probing.h"

#include "agent/backend_index.h"
#include "agent/pod_probes.h"
#include "base/duration.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "health/health.h"
#include "health/kernel_health.h"
#include "model/plan.h"

#include <string.h>

/* How long to wait for a pod's own probe: the API server may be away, or not allow it. */
#define UNSURE (5 * NSEC_PER_SEC)

/* FNV-1a. 0 stands for no name. */
static uint64_t number_of_node(const char *name)
{
	uint64_t number = 0xcbf29ce484222325ULL;

	if (!*name)
		return 0;
	for (; *name; name++)
		number = (number ^ (unsigned char)*name) * 0x100000001b3ULL;
	return number;
}

/*
 * What was down before a restart may be so by the probe of its pod, which is not known yet: a TCP
 * connection would bring it back. So the pod is asked for at once, used or not.
 */
static int add(const struct probing *probing, struct health_target *target,
	       const struct probe_spec *annotations)
{
	const struct backend_info *info = backend_index_get(probing->backends, target->id);
	struct probe_spec spec = pod_probes_spec(probing->pod_probes, annotations, info);
	bool unsure =
		target->initial == HEALTH_DOWN && pod_probes_is_pending(probing->pod_probes, info);
	int err = pod_probes_add(probing->pod_probes, info);

	target->unsure = unsure ? UNSURE : 0;
	if (!err)
		err = health_add(probing->health, target, &spec);
	if (!err && unsure)
		probing_want(probing, target->id);
	return err;
}

void probing_add(const struct probing *probing, const struct plan_port *port,
		 const struct dp_backend_change *change)
{
	const struct plan_endpoint *endpoint = &port->endpoints.items[change->endpoint];
	const struct datapath *datapath = probing->datapath;
	struct health_target target = {
		.id = change->index,
		.addr = endpoint->addr,
		.port = endpoint->port,
		.proto = port->proto,
		.initial = kernel_health_state(datapath_health(datapath, change->index)),
		.node = number_of_node(endpoint->node),
		.last_success = datapath_last_success(datapath, change->index),
		.last_good = datapath_last_good(datapath, change->index),
		.last_used = datapath_last_used(datapath, change->index),
	};
	int err = backend_index_put(probing->backends, change->index, port, endpoint);

	if (!err)
		err = add(probing, &target, &port->probe);
	if (err)
		log_error("backend of \"%s\" is not probed: %s", port->name, strerror(-err));
}

void probing_remove(const struct probing *probing, uint32_t backend)
{
	const struct backend_info *info = backend_index_get(probing->backends, backend);

	health_remove(probing->health, backend);
	if (info)
		pod_probes_remove(probing->pod_probes, info);
	backend_index_remove(probing->backends, backend);
}

static void update(const struct probing *probing, uint32_t backend, const struct plan_port *port)
{
	const struct backend_info *info = backend_index_get(probing->backends, backend);
	struct probe_spec spec;

	if (!info)
		return;
	spec = pod_probes_spec(probing->pod_probes, &port->probe, info);
	health_set_spec(probing->health, backend, &spec);
	backend_index_update(probing->backends, backend, port);
	if (!pod_probes_is_pending(probing->pod_probes, info))
		health_release(probing->health, backend);
	pod_probes_want(probing->pod_probes, info);
}

/* An equal spec changes nothing, so it is simply set for all. */
void probing_update(const struct probing *probing, const struct plan *plan)
{
	vec_foreach(&plan->ports, want) {
		const struct dp_port *port =
			dp_table_port(datapath_table(probing->datapath), want->name);

		if (!port)
			continue;
		vec_foreach(&port->backends, backend)
			update(probing, backend->index, want);
	}
}

void probing_want(const struct probing *probing, uint32_t backend)
{
	const struct backend_info *info = backend_index_get(probing->backends, backend);

	backend_index_set_wanted(probing->backends, backend);
	if (info)
		pod_probes_want(probing->pod_probes, info);
}

bool probing_pool(const struct probing *probing, uint32_t backend, struct guard_pool *ret)
{
	const struct backend_info *info = backend_index_get(probing->backends, backend);
	const struct dp_port *port = NULL;
	bool member = false;

	if (info)
		port = dp_table_port(datapath_table(probing->datapath), info->service);
	*ret = (struct guard_pool){};
	if (!port)
		return false;
	vec_foreach(&port->backends, other) {
		enum sw_health health = datapath_health(probing->datapath, other->index);
		bool usable = health == SW_HEALTH_UP || health == SW_HEALTH_UNKNOWN;

		if (other->terminating)
			continue;
		member |= other->index == backend;
		ret->ready++;
		ret->usable += usable && other->index != backend;
		ret->silent += health_is_silent(probing->health, other->index);
	}
	return member;
}

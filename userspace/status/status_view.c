/* SPDX-License-Identifier: Apache-2.0 */
#include "status/status_view.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/version.h"
#include "health/kernel_health.h"

#include <errno.h>
#include <string.h>

static int compare_ports(const void *a, const void *b)
{
	const struct dp_port *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

/* The caller frees *ret. */
static int sorted_ports(const struct dp_table *table, const struct dp_port ***ret, size_t *ret_len)
{
	size_t len = hashmap_len(table->ports), i = 0;
	const struct dp_port **ports = reallocarray(NULL, len + 1, sizeof(*ports));

	if (!ports)
		return -ENOMEM;
	hashmap_foreach(table->ports, iter)
		ports[i++] = iter.value;
	qsort(ports, len, sizeof(*ports), compare_ports);
	*ret = ports;
	*ret_len = len;
	return 0;
}

/*
 * Before its first verdict, health has "down" from the maps without knowing whether that was
 * "refused": then what stands there is what it believes.
 */
static enum sw_health believed_health(const struct status_context *context,
				      const struct status_backend *backend)
{
	const struct health_view *probe = &backend->probe;

	if (!backend->known || (probe->state == HEALTH_DOWN && probe->probes == probe->discarded))
		return datapath_health(context->datapath, backend->index);
	return kernel_health(probe->state, probe->verdict);
}

static struct status_backend view_backend(const struct status_context *context,
					  const struct dp_backend *have, uint64_t now)
{
	const char *pod = context->target(context->arg, have->index);
	struct status_backend backend = {
		.index = have->index,
		.addr = have->addr,
		.port = have->port,
		.terminating = have->terminating,
		.connects = datapath_connects(context->datapath, have->index),
		.ejected = datapath_ejected_until(context->datapath, have->index) > now,
		.lowered = datapath_is_lowered(context->datapath, have->index),
		.pod = pod ? pod : "",
	};

	backend.known = !health_get(context->health, have->index, &backend.probe);
	backend.health = believed_health(context, &backend);
	return backend;
}

static int add_backends(const struct status_context *context, const struct dp_port *have,
			struct status_port *port, struct status_view *view)
{
	vec_foreach(&have->backends, entry) {
		struct status_backend backend;

		if (!entry->listed)
			continue;
		backend = view_backend(context, entry, view->now);

		port->connects += backend.connects;
		port->ready += !backend.terminating;
		port->terminating += backend.terminating;
		port->usable += !backend.terminating && kernel_health_is_usable(backend.health);
		if (vec_push(&view->backends, backend))
			return -ENOMEM;
	}
	return 0;
}

static int add_port(const struct status_context *context, const struct dp_port *have,
		    struct status_view *view)
{
	const struct sw_service *counters = datapath_service(context->datapath, have->service);
	struct status_port port = {
		.name = have->name,
		.frontends = &have->frontends,
		.proto = have->proto,
		.connects = counters->connects,
		.refused = counters->refused,
		.last_used = counters->last_used,
		.first_backend = view->backends.len,
	};

	vec_foreach(&have->lists, list)
		port.usable_hint += list->usable;
	view->frontends += have->frontends.len;
	if (add_backends(context, have, &port, view))
		return -ENOMEM;
	port.backends = view->backends.len - port.first_backend;
	return vec_push(&view->ports, port);
}

int status_view_take(const struct status_context *context, uint64_t now, struct status_view *ret)
{
	const struct dp_table *table = datapath_table(context->datapath);
	_cleanup_(status_view_done) struct status_view view = {
		.context = context,
		.now = now,
		.started = context->started,
		.version = SWERVE_VERSION,
		.programming = context->programming,
		.node = model_node_name(context->model),
		.source = context->source,
		.services = hashmap_len(table->by_service),
		.probes = health_totals(context->health),
	};
	_cleanup_free_ const struct dp_port **ports = NULL;
	size_t len;

	if (sorted_ports(table, &ports, &len))
		return -ENOMEM;
	dp_table_usage(table, view.maps);
	view.maps[DP_USAGES] = (struct dp_usage){"sw_sources", datapath_sources(context->datapath),
						 SW_MAX_SOURCES};
	context->progress(context->arg, &view.progress);
	for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		view.objects[kind] = model_count(context->model, kind);
	for (size_t i = 0; i < len; i++) {
		if (add_port(context, ports[i], &view))
			return -ENOMEM;
	}
	*ret = view;
	view = (struct status_view){};
	return 0;
}

void status_view_done(struct status_view *view)
{
	vec_done(&view->ports);
	vec_done(&view->backends);
}

size_t status_view_count(const struct status_view *view, enum sw_health health)
{
	size_t count = 0;

	vec_foreach(&view->backends, backend)
		count += backend->health == health;
	return count;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sides are ordered by name, so services are merged like two sorted lists. What is missing as
 * a whole on one side is one difference, not one for each of its parts.
 */
#include "ctl/ctl_view.h"

#include "base/cleanup.h"
#include "base/duration.h"
#include "datapath/dp_encode.h"
#include "datapath/dp_table.h"
#include "health/kernel_health.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct join {
	struct ctl_view *view;
	uint64_t now;
	int err; /* sticky */
};

static double seconds_since(uint64_t now, uint64_t then)
{
	if (!then)
		return -1;
	return then < now ? (double)(now - then) / (double)NSEC_PER_SEC : 0;
}

/* Differences */

static struct ctl_difference *note(struct join *join, enum ctl_difference_kind kind,
				   struct ctl_service *service, const char *subject)
{
	struct ctl_difference difference = {.kind = kind, .service = service->name};

	snprintf(difference.subject, sizeof(difference.subject), "%s", subject);
	if (vec_push(&join->view->differences, difference)) {
		join->err = -ENOMEM;
		return NULL;
	}
	service->differences++;
	return &join->view->differences.items[join->view->differences.len - 1];
}

static void compare_endpoints(struct join *join, const struct dp_snapshot_service *kernel,
			      const struct belief_service *daemon, struct ctl_service *service)
{
	struct ctl_difference *difference;

	if (kernel->usable_hint == daemon->usable_hint && kernel->ready == daemon->ready &&
	    kernel->terminating == daemon->terminating)
		return;
	difference = note(join, DIFFERENCE_ENDPOINTS, service, "");
	if (!difference)
		return;
	snprintf(difference->kernel, sizeof(difference->kernel), "%u/%u/%u", kernel->usable_hint,
		 kernel->ready, kernel->terminating);
	snprintf(difference->daemon, sizeof(difference->daemon), "%u/%u/%u", daemon->usable_hint,
		 daemon->ready, daemon->terminating);
}

static void compare_health(struct join *join, const struct belief_backend *daemon,
			   struct ctl_service *service, struct ctl_backend *backend)
{
	struct ctl_difference *difference;

	if (backend->health == daemon->health)
		return;
	difference = note(join, DIFFERENCE_HEALTH, service, backend->address);
	if (!difference)
		return;
	snprintf(difference->kernel, sizeof(difference->kernel), "%s",
		 kernel_health_to_str(backend->health));
	snprintf(difference->daemon, sizeof(difference->daemon), "%s",
		 kernel_health_to_str(daemon->health));
}

static void check_slots(struct join *join, const struct dp_snapshot_service *kernel,
			struct ctl_service *service)
{
	struct ctl_difference *difference;

	if (!kernel->gaps && !kernel->torn)
		return;
	difference = note(join, DIFFERENCE_SLOTS, service, "");
	if (difference && kernel->gaps)
		snprintf(difference->kernel, sizeof(difference->kernel), "%u empty slot(s)",
			 kernel->gaps);
	else if (difference)
		snprintf(difference->kernel, sizeof(difference->kernel),
			 "frontends with unlike slots");
}

/* Frontends */

static struct ctl_frontend *find_frontend(const struct ctl_service *service, const char *address)
{
	vec_foreach(&service->frontends, frontend) {
		if (!strcmp(frontend->address, address))
			return frontend;
	}
	return NULL;
}

static void add_kernel_frontends(struct join *join, const struct dp_snapshot_service *kernel,
				 struct ctl_service *service)
{
	vec_foreach(&kernel->frontends, entry) {
		struct ctl_frontend frontend = {.in_kernel = true,
						.ranges = entry->value.flags & SW_FRONTEND_RANGES};

		dp_frontend_key_to_str(&entry->key, frontend.address);
		if (vec_push(&service->frontends, frontend))
			join->err = -ENOMEM;
	}
}

static void add_daemon_frontends(struct join *join, const struct belief_service *daemon,
				 struct ctl_service *service)
{
	vec_foreach(&daemon->frontends, address) {
		struct ctl_frontend *known = find_frontend(service, *address);
		struct ctl_frontend frontend = {.in_daemon = true};

		if (known) {
			known->in_daemon = true;
			continue;
		}
		snprintf(frontend.address, sizeof(frontend.address), "%s", *address);
		if (vec_push(&service->frontends, frontend))
			join->err = -ENOMEM;
	}
}

static void compare_frontends(struct join *join, struct ctl_service *service)
{
	vec_foreach(&service->frontends, frontend) {
		if (!frontend->in_daemon)
			note(join, DIFFERENCE_FRONTEND_ONLY_IN_KERNEL, service, frontend->address);
		if (!frontend->in_kernel)
			note(join, DIFFERENCE_FRONTEND_ONLY_IN_DAEMON, service, frontend->address);
	}
}

/* Backends */

static void fill_from_daemon(struct ctl_backend *backend, const struct belief_backend *daemon)
{
	backend->in_daemon = true;
	backend->pod = daemon->pod;
	backend->state = daemon->state;
	backend->detail = daemon->detail;
	backend->next = daemon->next;
	backend->history = daemon->history;
	backend->last_probe = daemon->last_probe;
	backend->latency = daemon->latency;
	backend->probes = daemon->probes;
	backend->failures = daemon->failures;
	backend->discarded = daemon->discarded;
	if (backend->since < 0)
		backend->since = daemon->since;
	if (backend->in_kernel)
		return;
	backend->index = daemon->index;
	backend->terminating = daemon->terminating;
	backend->health = daemon->health;
	backend->connects = daemon->connects;
	snprintf(backend->address, sizeof(backend->address), "%s", daemon->address);
}

static struct ctl_backend empty_backend(const struct ctl_service *service)
{
	return (struct ctl_backend){.service = service->name,
				    .rank = DP_RANK_ABSENT,
				    .pod = "",
				    .state = "",
				    .detail = "",
				    .next = "",
				    .since = -1,
				    .last_probe = -1,
				    .latency = -1};
}

static struct ctl_backend backend_of_kernel(const struct dp_snapshot_backend *kernel, uint64_t now,
					    const struct ctl_service *service)
{
	struct ctl_backend backend = empty_backend(service);

	backend.in_kernel = true;
	backend.index = kernel->index;
	backend.terminating = kernel->terminating;
	backend.health = kernel->health;
	backend.rank = kernel->rank;
	backend.lowered = kernel->lowered;
	backend.connects = kernel->connects;
	backend.since = seconds_since(now, kernel->changed);
	backend.evidence = kernel->evidence;
	backend.status = kernel->status;
	backend.open = kernel->open;
	backend.ejected_for = seconds_since(kernel->ejected_until, now);
	addr_port_to_str(&kernel->addr, kernel->port, backend.address);
	return backend;
}

/* The daemon's word on a backend: most often at the same position. */
static const struct belief_backend *find_belief(const struct belief_backend *beliefs, size_t len,
						size_t position, const struct ctl_backend *backend)
{
	if (position < len && beliefs[position].index == backend->index &&
	    !strcmp(beliefs[position].address, backend->address))
		return &beliefs[position];
	for (size_t i = 0; i < len; i++) {
		if (beliefs[i].index == backend->index &&
		    !strcmp(beliefs[i].address, backend->address))
			return &beliefs[i];
	}
	return NULL;
}

/* Whether one of the service's rows, all from the kernel so far, is this backend. */
static bool has_row(const struct ctl_backend *rows, size_t len, size_t position,
		    const struct belief_backend *daemon)
{
	if (position < len && rows[position].index == daemon->index &&
	    !strcmp(rows[position].address, daemon->address))
		return true;
	for (size_t i = 0; i < len; i++) {
		if (rows[i].index == daemon->index && !strcmp(rows[i].address, daemon->address))
			return true;
	}
	return false;
}

static void push_backend(struct join *join, struct ctl_service *service,
			 const struct ctl_backend *backend)
{
	if (vec_push(&join->view->backends, *backend))
		join->err = -ENOMEM;
	else
		service->backends++;
}

static void add_kernel_backends(struct join *join, const struct dp_snapshot_service *kernel,
				const struct belief_service *daemon, struct ctl_service *service)
{
	const struct belief_backend *beliefs =
		daemon ? join->view->belief->backends.items + daemon->first_backend : NULL;

	for (size_t i = 0; i < kernel->backends.len; i++) {
		struct ctl_backend backend =
			backend_of_kernel(&kernel->backends.items[i], join->now, service);
		const struct belief_backend *belief =
			daemon ? find_belief(beliefs, daemon->backends, i, &backend) : NULL;

		service->usable += !backend.terminating && backend.rank == DP_RANK_USABLE;
		if (belief) {
			fill_from_daemon(&backend, belief);
			compare_health(join, belief, service, &backend);
		} else if (daemon) {
			note(join, DIFFERENCE_BACKEND_ONLY_IN_KERNEL, service, backend.address);
		}
		push_backend(join, service, &backend);
	}
}

static void add_daemon_backends(struct join *join, const struct dp_snapshot_service *kernel,
				const struct belief_service *daemon, struct ctl_service *service)
{
	const struct belief_backend *beliefs =
		join->view->belief->backends.items + daemon->first_backend;
	size_t in_kernel = service->backends;

	for (size_t i = 0; i < daemon->backends; i++) {
		const struct ctl_backend *rows =
			join->view->backends.items + service->first_backend;
		struct ctl_backend backend = empty_backend(service);

		if (has_row(rows, in_kernel, i, &beliefs[i]))
			continue;
		fill_from_daemon(&backend, &beliefs[i]);
		if (kernel)
			note(join, DIFFERENCE_BACKEND_ONLY_IN_DAEMON, service, backend.address);
		push_backend(join, service, &backend);
	}
}

/* Services */

static void fill_service_from_kernel(struct ctl_service *service,
				     const struct dp_snapshot_service *kernel, uint64_t now)
{
	service->name = kernel->name;
	service->proto = kernel->proto;
	service->ready = kernel->ready;
	service->terminating = kernel->terminating;
	service->connects = kernel->connects;
	service->refused = kernel->refused;
	service->last_used = seconds_since(now, kernel->last_used);
}

static void fill_service_from_daemon(struct ctl_service *service,
				     const struct belief_service *daemon)
{
	service->name = daemon->name;
	service->proto = strcmp(daemon->protocol, "UDP") ? IPPROTO_TCP : IPPROTO_UDP;
	service->usable = daemon->usable;
	service->ready = daemon->ready;
	service->terminating = daemon->terminating;
	service->connects = daemon->connects;
	service->refused = daemon->refused;
	service->last_used = daemon->last_used;
}

static void compare_services(struct join *join, const struct dp_snapshot_service *kernel,
			     const struct belief_service *daemon, struct ctl_service *service)
{
	if (kernel)
		check_slots(join, kernel, service);
	if (!join->view->snapshot || !join->view->belief)
		return;
	if (!kernel) {
		note(join, DIFFERENCE_SERVICE_ONLY_IN_DAEMON, service, "");
	} else if (!daemon) {
		note(join, DIFFERENCE_SERVICE_ONLY_IN_KERNEL, service, "");
	} else {
		compare_endpoints(join, kernel, daemon, service);
		compare_frontends(join, service);
	}
}

/* One of the two may be NULL. */
static void add_service(struct join *join, const struct dp_snapshot_service *kernel,
			const struct belief_service *daemon)
{
	struct ctl_service service = {.in_kernel = kernel, .in_daemon = daemon};

	if (kernel)
		fill_service_from_kernel(&service, kernel, join->now);
	else if (daemon)
		fill_service_from_daemon(&service, daemon);
	service.first_backend = join->view->backends.len;
	service.first_difference = join->view->differences.len;
	if (kernel)
		add_kernel_frontends(join, kernel, &service);
	if (daemon)
		add_daemon_frontends(join, daemon, &service);
	compare_services(join, kernel, daemon, &service);
	if (kernel)
		add_kernel_backends(join, kernel, daemon, &service);
	if (daemon)
		add_daemon_backends(join, kernel, daemon, &service);
	join->view->frontends += service.frontends.len;
	if (vec_push(&join->view->services, service)) {
		vec_done(&service.frontends);
		join->err = -ENOMEM;
	}
}

static void merge(struct join *join)
{
	const struct dp_snapshot *snapshot = join->view->snapshot;
	const struct ctl_belief *belief = join->view->belief;
	size_t kernels = snapshot ? snapshot->services.len : 0, k = 0;
	size_t daemons = belief ? belief->services.len : 0, d = 0;

	while (!join->err && (k < kernels || d < daemons)) {
		const struct dp_snapshot_service *kernel =
			k < kernels ? &snapshot->services.items[k] : NULL;
		const struct belief_service *daemon =
			d < daemons ? &belief->services.items[d] : NULL;
		int order = kernel && daemon ? strcmp(kernel->name, daemon->name) : 0;

		if (order < 0)
			daemon = NULL;
		else if (order > 0)
			kernel = NULL;
		add_service(join, kernel, daemon);
		k += kernel != NULL;
		d += daemon != NULL;
	}
}

int ctl_view_join(const struct dp_snapshot *snapshot, const struct ctl_belief *belief, uint64_t now,
		  struct ctl_view *ret)
{
	struct ctl_view view = {.snapshot = snapshot, .belief = belief, .heartbeat = -1};
	struct join join = {.view = &view, .now = now};

	if (snapshot)
		view.heartbeat = seconds_since(now, snapshot->heartbeat);
	merge(&join);
	if (join.err) {
		ctl_view_done(&view);
		return join.err;
	}
	*ret = view;
	return 0;
}

void ctl_view_done(struct ctl_view *view)
{
	vec_foreach(&view->services, service)
		vec_done(&service->frontends);
	vec_done(&view->services);
	vec_done(&view->backends);
	vec_done(&view->differences);
}

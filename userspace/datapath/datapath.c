/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans become operations (dp_diff), operations become stores and system calls (here). What is
 * released comes back into use only after a grace period: a BPF program that runs now may still
 * hold an index that it read before.
 */
#include "datapath/datapath_state.h"

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/hashmap.h"
#include "datapath/dp_adopt.h"
#include "datapath/dp_encode.h"
#include "datapath/dp_maps.h"
#include "datapath/dp_object.h"
#include "datapath/dp_pin_dir.h"
#include "datapath/dp_sense.h"
#include "datapath/dp_sources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Programs are done in microseconds; a preempted one is back long before. */
#define GRACE_PERIOD (2 * NSEC_PER_SEC)

/* Time enough for what failed to be tried again. */
#define FAILURE_PERIOD (60 * NSEC_PER_SEC)

static int adopt(struct datapath *datapath)
{
	struct dp_frontend_entries entries = {}, broken = {};
	int err = dp_maps_read_frontends(&datapath->maps, &entries);

	if (!err)
		err = dp_adopt(&datapath->table, &entries, datapath->maps.services,
			       datapath->maps.slots, datapath->maps.backends,
			       datapath->maps.backend_load, &broken);
	vec_foreach(&broken, entry) {
		if (!err)
			err = dp_maps_delete_frontend(&datapath->maps, &entry->key);
	}
	vec_done(&entries);
	vec_done(&broken);
	return err;
}

static void clear_backend(const struct datapath *datapath, uint32_t index)
{
	struct sw_backend *backend = &datapath->maps.backends[index];

	*backend = (struct sw_backend){.generation = backend->generation + 1};
}

/* What nothing refers to was left by a crash between two operations. */
static void clear_unused(struct datapath *datapath)
{
	for (uint32_t i = 0; i < SW_MAX_BACKENDS; i++) {
		if (datapath->maps.backends[i].health != SW_HEALTH_FREE &&
		    !dp_ids_is_used(&datapath->table.backends, i))
			clear_backend(datapath, i);
	}
	for (uint32_t i = 0; i < SW_MAX_SERVICES; i++) {
		struct sw_service *service = &datapath->maps.services[i];

		if (service->name[0] && !dp_ids_is_used(&datapath->table.services, i))
			*service = (struct sw_service){};
	}
}

static void close_datapath(struct datapath **datapath)
{
	datapath_close(*datapath);
}

static bool is_watched(const struct dp_port *port)
{
	return port && port->policy.outlier_5xx;
}

/* Looks at responses only while somebody wants it: that costs something for each packet. */
static void watch_responses(const struct datapath *datapath)
{
	if (datapath->sense)
		dp_sense_watch_responses(datapath->sense, datapath->watched > 0);
}

static void install_optional(struct datapath *datapath, const struct datapath_config *config)
{
	struct dp_install install = {.cgroup = config->cgroup, .pin_dir = config->pin_dir};

	hashmap_foreach(datapath->table.ports, iter)
		datapath->watched += is_watched(iter.value);
	datapath->sense = dp_sense_install(&install);
	datapath->sources = dp_sources_install(&install, &datapath->table.services);
}

int datapath_open(const struct datapath_config *config, struct datapath **ret,
		  struct dp_problem *problem)
{
	struct dp_install install = {.cgroup = config->cgroup, .pin_dir = config->pin_dir};
	_cleanup_(close_datapath) struct datapath *datapath = calloc(1, sizeof(*datapath));
	int err;

	if (!datapath)
		return dp_problem(problem, -ENOMEM, "out of memory.");
	datapath->lock = datapath->maps.frontends_fd = datapath->maps.nodes_fd =
		datapath->maps.sockets_fd = -1;
	dp_links_init(&datapath->links);
	err = dp_table_init(&datapath->table);
	if (err)
		return dp_problem(problem, err, "out of memory.");
	err = dp_pin_dir_open(config->pin_dir, &datapath->lock, problem);
	if (!err)
		err = dp_object_install(&install, &datapath->links, problem);
	if (err)
		return err;
	err = dp_maps_open(config->pin_dir, true, &datapath->maps);
	if (!err)
		err = adopt(datapath);
	if (err)
		return dp_problem(problem, err, "can not read the maps pinned in \"%s\": %s.",
				  config->pin_dir, strerror(-err));
	clear_unused(datapath);
	install_optional(datapath, config);
	*ret = TAKE_PTR(datapath);
	return 0;
}

void datapath_close(struct datapath *datapath)
{
	if (!datapath)
		return;
	dp_sense_close(datapath->sense);
	dp_sources_close(datapath->sources);
	dp_links_close(&datapath->links);
	dp_maps_close(&datapath->maps);
	dp_table_done(&datapath->table);
	vec_done(&datapath->undeleted);
	if (datapath->lock >= 0)
		close(datapath->lock);
	free(datapath);
}

static void set_service(const struct datapath *datapath, uint32_t index, const char *name)
{
	struct sw_service *service = &datapath->maps.services[index];

	*service = (struct sw_service){};
	snprintf(service->name, sizeof(service->name), "%s", name);
}

/*
 * Sockets that a backend before this one had do not count here: they know another generation. That
 * is raised when the element is freed; its counters are zeroed then, and here again, since sockets
 * of before may have been counted in between.
 */
static void set_backend(const struct datapath *datapath, uint32_t index,
			const struct sw_backend *value, uint64_t uid)
{
	struct sw_backend backend = *value;

	backend.generation = datapath->maps.backends[index].generation;
	datapath->maps.backend_load[index] = (struct sw_backend_load){.uid = uid};
	datapath->maps.backends[index] = backend;
}

static int run_op(const struct datapath *datapath, const struct dp_op *op)
{
	switch (op->kind) {
	case DP_SET_SERVICE:
		set_service(datapath, op->index, op->name);
		return 0;
	case DP_SET_POLICY:
		datapath->maps.services[op->index].policy = op->policy;
		return 0;
	case DP_SET_BACKEND:
		set_backend(datapath, op->index, &op->backend, op->uid_hash);
		return 0;
	case DP_SET_SLOT:
		__atomic_store_n(&datapath->maps.slots[op->index].backend, op->slot.backend,
				 __ATOMIC_RELEASE);
		return 0;
	case DP_SET_FRONTEND:
		return dp_maps_put_frontend(&datapath->maps, &op->frontend.key,
					    &op->frontend.value);
	case DP_DELETE_FRONTEND:
		return dp_maps_delete_frontend(&datapath->maps, &op->frontend.key);
	}
	return -EINVAL;
}

/* The frontend is written again when its port is applied the next time. */
static void mark_unwritten(const struct datapath *datapath, const struct sw_frontend_key *key)
{
	struct dp_port *port = hashmap_get(datapath->table.owners, key, sizeof(*key));
	struct dp_frontend *frontend = port ? dp_frontends_find(&port->frontends, key) : NULL;

	if (frontend)
		frontend->written = false;
}

/*
 * The kernel did not take an operation, so it may still show what was about to be freed. That waits
 * until the operation was repeated: a frontend is written again when its service is applied again, a
 * deletion with the next heartbeat.
 */
static void note_failure(struct datapath *datapath, const struct dp_op *op, uint64_t now)
{
	dp_table_postpone(&datapath->table, now + FAILURE_PERIOD);
	if (op->kind == DP_SET_FRONTEND)
		mark_unwritten(datapath, &op->frontend.key);
	if (op->kind == DP_DELETE_FRONTEND)
		/* Without memory the frontend stays, and leads to empty slots: refused. */
		(void)vec_push(&datapath->undeleted, op->frontend.key);
}

static void delete_again(struct datapath *datapath)
{
	size_t left = 0;

	vec_foreach(&datapath->undeleted, key) {
		if (hashmap_get(datapath->table.owners, key, sizeof(*key)))
			continue;
		if (dp_maps_delete_frontend(&datapath->maps, key))
			datapath->undeleted.items[left++] = *key;
	}
	datapath->undeleted.len = left;
}

static int run_ops(struct datapath *datapath, const struct dp_changes *changes, uint64_t now)
{
	int result = 0;

	vec_foreach(&changes->ops, op) {
		int err = run_op(datapath, op);

		if (!err)
			continue;
		result = err;
		note_failure(datapath, op, now);
	}
	return result;
}

/* One service as it is applied, for the questions of the diff. */
struct application {
	const struct datapath *datapath;
	const char *service;
	const struct plan *plan;
	uint64_t now;
};

static bool backend_is_usable(const void *arg, uint32_t backend)
{
	const struct application *application = arg;
	enum sw_health health = datapath_health(application->datapath, backend);

	/* A backend that is about to be written is still FREE. */
	return health <= SW_HEALTH_UP &&
	       datapath_ejected_until(application->datapath, backend) <= application->now;
}

static bool may_take(const void *arg, const struct dp_port *owner,
		     const struct sw_frontend_key *key, enum plan_claim claim)
{
	const struct application *application = arg;
	const struct datapath *datapath = application->datapath;
	size_t len = dp_port_service_len(owner->name);
	struct plan_frontend frontend = dp_decode_frontend_key(key);

	if (strlen(application->service) == len && !memcmp(application->service, owner->name, len))
		return plan_claim(application->plan, owner->name, &frontend) < claim;
	return datapath->keeps && !datapath->keeps(datapath->keeps_arg, owner->name, key, claim);
}

/* The connections of a backend that goes still count for its service. */
static void keep_connects(const struct datapath *datapath, uint32_t backend)
{
	__u64 *connects = &datapath->maps.backend_load[backend].connects;
	uint32_t service = datapath->maps.backends[backend].service;

	datapath->maps.services[service].connects +=
		__atomic_exchange_n(connects, 0, __ATOMIC_RELAXED);
}

static void tell(const struct datapath *datapath, const struct dp_changes *changes,
		 const struct plan_port *port, datapath_change_fn *fn, void *arg)
{
	vec_foreach(&changes->backends, change) {
		if (!change->added) {
			keep_connects(datapath, change->index);
			datapath->maps.backends[change->index].retired = 1;
		}
		fn(arg, change->added ? port : NULL, change);
	}
}

/* For ejections, which count the backends of a service. The first list is the most comprehensive. */
static void show_slots(const struct datapath *datapath, const char *name)
{
	const struct dp_port *port = dp_table_port(&datapath->table, name);
	struct sw_service *service;

	if (!port || !port->lists.len)
		return;
	service = &datapath->maps.services[port->service];
	service->slot_base = port->lists.items[0].slots.base;
	service->ready = port->lists.items[0].ready;
}

/* The ranges of load balancers' clients come before and go after the frontends that ask for them. */
static int run_port(struct datapath *datapath, const struct plan_port *want,
		    const struct dp_changes *changes, uint64_t now)
{
	uint32_t service = dp_table_port(&datapath->table, want->name)->service;
	const struct addr_range *ranges = want->source_ranges.items;
	size_t len = want->source_ranges.len;
	int err = dp_sources_add(datapath->sources, service, ranges, len);
	int ops_err = run_ops(datapath, changes, now);
	int drop_err = dp_sources_drop(datapath->sources, service, ranges, len);

	return err ? err : ops_err ? ops_err : drop_err;
}

static int apply_port(struct datapath *datapath, const struct application *application,
		      const struct plan_port *want, uint64_t now, datapath_change_fn *fn, void *arg,
		      struct datapath_result *result)
{
	struct dp_policy policy = {
		.usable = backend_is_usable, .may_take = may_take, .arg = application};
	struct dp_changes changes = {};
	size_t before = is_watched(dp_table_port(&datapath->table, want->name));
	int err = dp_diff_port(&datapath->table, want, &policy, now + GRACE_PERIOD, &changes);

	if (!err) {
		err = run_port(datapath, want, &changes, now);
		show_slots(datapath, want->name);
		datapath->watched +=
			is_watched(dp_table_port(&datapath->table, want->name)) - before;
		tell(datapath, &changes, want, fn, arg);
	}
	result->conflicts += changes.conflicts;
	result->left_out += changes.left_out;
	if (changes.conflicts)
		result->conflict = changes.conflict;
	dp_changes_done(&changes);
	return err;
}

static int remove_port(struct datapath *datapath, struct dp_port *port, uint64_t now,
		       datapath_change_fn *fn, void *arg)
{
	struct dp_changes changes = {};
	size_t before = is_watched(port);
	uint32_t service = port->service;
	int drop_err = 0;
	int err = dp_diff_remove(&datapath->table, port, now + GRACE_PERIOD, &changes);

	if (!err) {
		datapath->watched -= before;
		err = run_ops(datapath, &changes, now);
		drop_err = dp_sources_drop(datapath->sources, service, NULL, 0);
		if (fn)
			tell(datapath, &changes, NULL, fn, arg);
	}
	dp_changes_done(&changes);
	return err ? err : drop_err;
}

static bool plan_has(const struct plan *plan, const char *name)
{
	vec_foreach(&plan->ports, port) {
		if (!strcmp(port->name, name))
			return true;
	}
	return false;
}

static int remove_unplanned(struct datapath *datapath, const char *service, const struct plan *plan,
			    uint64_t now, datapath_change_fn *fn, void *arg)
{
	const struct dp_group *group = dp_table_group(&datapath->table, service);
	size_t i = 0;

	while (group && i < group->ports.len) {
		struct dp_port *port = group->ports.items[i];
		int err;

		if (plan_has(plan, port->name)) {
			i++;
			continue;
		}
		err = remove_port(datapath, port, now, fn, arg);
		if (err)
			return err;
		group = dp_table_group(&datapath->table, service);
	}
	return 0;
}

int datapath_apply(struct datapath *datapath, const char *service, const struct plan *plan,
		   uint64_t now, datapath_change_fn *fn, void *arg, struct datapath_result *ret)
{
	struct application application = {
		.datapath = datapath, .service = service, .plan = plan, .now = now};
	struct datapath_result result = {};
	int err = 0, remove_err;

	/* Ports that go come last: a frontend that moves to another port is handed over. */
	vec_foreach(&plan->ports, port) {
		int port_err = apply_port(datapath, &application, port, now, fn, arg, &result);

		if (port_err)
			err = port_err;
	}
	remove_err = remove_unplanned(datapath, service, plan, now, fn, arg);
	watch_responses(datapath);
	*ret = result;
	return err ? err : remove_err;
}

bool datapath_is_inherited(const struct datapath *datapath, const char *service)
{
	const struct dp_group *group = dp_table_group(&datapath->table, service);

	for (size_t i = 0; group && i < group->ports.len; i++) {
		if (group->ports.items[i]->planned)
			return false;
	}
	return group;
}

void datapath_keep(struct datapath *datapath, const char *service)
{
	const struct dp_group *group = dp_table_group(&datapath->table, service);

	for (size_t i = 0; group && i < group->ports.len; i++)
		group->ports.items[i]->planned = true;
}

void datapath_set_keeps(struct datapath *datapath, datapath_keeps_fn *fn, void *arg)
{
	datapath->keeps = fn;
	datapath->keeps_arg = arg;
}

int datapath_set_nodes(struct datapath *datapath, const struct dp_nodes *want)
{
	return dp_maps_set_nodes(&datapath->maps, want);
}

int datapath_sweep(struct datapath *datapath, uint64_t now)
{
	int swept = 0;

	hashmap_foreach(datapath->table.ports, iter) {
		struct dp_port *port = iter.value;
		int err;

		if (port->planned)
			continue;
		err = remove_port(datapath, port, now, NULL, NULL);
		if (err)
			return err;
		swept++;
	}
	watch_responses(datapath);
	return swept;
}

int datapath_sockets_fd(const struct datapath *datapath)
{
	return datapath->maps.sockets_fd;
}

int datapath_read_socket(const struct datapath *datapath, int fd, struct sw_socket *ret)
{
	return dp_maps_read_socket(&datapath->maps, fd, ret);
}

const struct dp_table *datapath_table(const struct datapath *datapath)
{
	return &datapath->table;
}

size_t datapath_sources(const struct datapath *datapath)
{
	return dp_sources_count(datapath->sources);
}

static void clear_released(struct datapath *datapath, const struct dp_release *release)
{
	uint32_t index = release->range.base;

	switch (release->kind) {
	case DP_SERVICE:
		datapath->maps.services[index] = (struct sw_service){};
		break;
	case DP_BACKEND:
		keep_connects(datapath, index);
		clear_backend(datapath, index);
		datapath->maps.backend_load[index] = (struct sw_backend_load){};
		break;
	case DP_SLOTS:
		memset(&datapath->maps.slots[index], 0,
		       release->range.count * sizeof(struct sw_slot));
		break;
	}
}

void datapath_heartbeat(struct datapath *datapath, uint64_t now)
{
	struct dp_release release;

	__atomic_store_n(&datapath->maps.config->heartbeat, now, __ATOMIC_RELAXED);
	delete_again(datapath);
	while (dp_table_next_due(&datapath->table, now, &release))
		clear_released(datapath, &release);
}

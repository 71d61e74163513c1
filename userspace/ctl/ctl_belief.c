/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_belief.h"

#include "base/cleanup.h"
#include "health/kernel_health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct decoder {
	struct ctl_belief *belief;
	char *error;
	size_t error_size;
};

static int fail(const struct decoder *decoder, const char *where, const char *why)
{
	snprintf(decoder->error, decoder->error_size, "%s: %s", where, why);
	return -EBADMSG;
}

/* A number, or negative for null. */
static double seconds_of(const json_t *value)
{
	return json_is_number(value) ? json_number_value(value) : -1;
}

static int decode_daemon(const struct decoder *decoder, json_t *root)
{
	struct belief_daemon *daemon = &decoder->belief->daemon;
	json_int_t abi, failing, services, probes, failures;
	json_t *last_sync;
	json_error_t error;
	int synced, applied;

	if (json_unpack_ex(root, &error, 0,
			   "{s:s, s:I, s:s, s:F, s:{s:s, s:b, s:b, s:I, s:o}, s:I, s:I, s:I}",
			   "version", &daemon->version, "abi_version", &abi, "node", &daemon->node,
			   "uptime_seconds", &daemon->uptime, "source", "text", &daemon->source,
			   "synced", &synced, "applied", &applied, "failing_services", &failing,
			   "last_sync_seconds", &last_sync, "services", &services, "probes",
			   &probes, "probe_failures", &failures))
		return fail(decoder, "/v1/status", error.text);
	daemon->abi_version = (uint32_t)abi;
	daemon->synced = synced;
	daemon->applied = applied;
	daemon->failing = (uint64_t)failing;
	daemon->services = (uint64_t)services;
	daemon->probes = (uint64_t)probes;
	daemon->probe_failures = (uint64_t)failures;
	daemon->last_sync = seconds_of(last_sync);
	return 0;
}

static int decode_frontends(const struct decoder *decoder, const json_t *array,
			    struct belief_service *service)
{
	size_t i;
	json_t *item;

	json_array_foreach(array, i, item) {
		if (!json_is_string(item))
			return fail(decoder, "/v1/services", "a frontend is no string");
		if (vec_push(&service->frontends, json_string_value(item)))
			return -ENOMEM;
	}
	return 0;
}

static int decode_service(const struct decoder *decoder, json_t *item)
{
	struct ctl_belief *belief = decoder->belief;
	json_int_t usable, hint, ready, terminating, connects, refused;
	json_t *frontends, *last_used;
	struct belief_service service = {};
	json_error_t error;

	if (json_unpack_ex(item, &error, 0, "{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
			   "name", &service.name, "protocol", &service.protocol, "frontends",
			   &frontends, "usable", &usable, "usable_hint", &hint, "ready", &ready,
			   "terminating", &terminating, "connects", &connects, "refused", &refused,
			   "last_used_seconds", &last_used))
		return fail(decoder, "/v1/services", error.text);
	service.usable = (uint32_t)usable;
	service.usable_hint = (uint32_t)hint;
	service.ready = (uint32_t)ready;
	service.terminating = (uint32_t)terminating;
	service.connects = (uint64_t)connects;
	service.refused = (uint64_t)refused;
	service.last_used = seconds_of(last_used);
	if (vec_push(&belief->services, service))
		return -ENOMEM;
	return decode_frontends(decoder, frontends,
				&belief->services.items[belief->services.len - 1]);
}

static int decode_probe(const struct decoder *decoder, json_t *probe,
			struct belief_backend *backend)
{
	json_int_t count, failures, discarded;
	json_t *since, *last, *latency;
	json_error_t error;

	backend->state = backend->detail = backend->next = "";
	backend->since = backend->last_probe = backend->latency = -1;
	if (json_is_null(probe))
		return 0;
	if (json_unpack_ex(probe, &error, 0, "{s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:I, s?s, s?o}",
			   "state", &backend->state, "detail", &backend->detail, "since_seconds",
			   &since, "last_seconds", &last, "latency_seconds", &latency, "count",
			   &count, "failures", &failures, "discarded", &discarded, "next",
			   &backend->next, "history", &backend->history))
		return fail(decoder, "/v1/backends", error.text);
	backend->since = seconds_of(since);
	backend->last_probe = seconds_of(last);
	backend->latency = seconds_of(latency);
	backend->probes = (uint64_t)count;
	backend->failures = (uint64_t)failures;
	backend->discarded = (uint64_t)discarded;
	return 0;
}

static int decode_backend(const struct decoder *decoder, json_t *item)
{
	struct belief_backend backend = {};
	json_int_t index, connects;
	const char *health;
	json_t *probe;
	json_error_t error;
	int terminating, err;

	if (json_unpack_ex(item, &error, 0, "{s:s, s:I, s:s, s:s, s:s, s:b, s:I, s:o}", "service",
			   &backend.service, "index", &index, "address", &backend.address, "pod",
			   &backend.pod, "health", &health, "terminating", &terminating, "connects",
			   &connects, "probe", &probe))
		return fail(decoder, "/v1/backends", error.text);
	if (kernel_health_from_str(health, &backend.health))
		return fail(decoder, "/v1/backends: unknown health", health);
	backend.index = (uint32_t)index;
	backend.terminating = terminating;
	backend.connects = (uint64_t)connects;
	err = decode_probe(decoder, probe, &backend);
	return err ? err : vec_push(&decoder->belief->backends, backend);
}

static int decode_array(const struct decoder *decoder, json_t *root, const char *name,
			int (*decode)(const struct decoder *decoder, json_t *item))
{
	const json_t *array = json_object_get(root, name);
	json_t *item;
	size_t i;

	if (!json_is_array(array))
		return fail(decoder, name, "no array");
	json_array_foreach(array, i, item) {
		int err = decode(decoder, item);

		if (err)
			return err;
	}
	return 0;
}

static int compare_services(const void *a, const void *b)
{
	const struct belief_service *left = a, *right = b;

	return strcmp(left->name, right->name);
}

/* The backends come in the order of the services. */
static void assign_backends(struct ctl_belief *belief)
{
	size_t next = 0;

	vec_foreach(&belief->services, service) {
		service->first_backend = next;
		while (next < belief->backends.len &&
		       !strcmp(belief->backends.items[next].service, service->name))
			next++;
		service->backends = next - service->first_backend;
	}
}

/* Between two requests a service may come or go: its backends are then without a service. */
static void drop_unowned(struct ctl_belief *belief)
{
	size_t kept = 0;

	vec_foreach(&belief->backends, backend) {
		struct belief_service key = {.name = backend->service};

		if (belief->services.len &&
		    bsearch(&key, belief->services.items, belief->services.len, sizeof(key),
			    compare_services))
			belief->backends.items[kept++] = *backend;
	}
	belief->backends.len = kept;
}

static int load(const struct decoder *decoder, size_t root, const char *where, const char *text)
{
	json_error_t error;

	decoder->belief->roots[root] = json_loads(text, 0, &error);
	return decoder->belief->roots[root] ? 0 : fail(decoder, where, error.text);
}

int ctl_belief_decode(const struct belief_texts *texts, struct ctl_belief *ret, char *error,
		      size_t error_size)
{
	_cleanup_(ctl_belief_done) struct ctl_belief belief = {};
	const struct decoder decoder = {&belief, error, error_size};
	int err = load(&decoder, 0, "/v1/status", texts->status);

	if (!err)
		err = load(&decoder, 1, "/v1/services", texts->services);
	if (!err)
		err = load(&decoder, 2, "/v1/backends", texts->backends);
	if (!err)
		err = decode_daemon(&decoder, belief.roots[0]);
	if (!err)
		err = decode_array(&decoder, belief.roots[1], "services", decode_service);
	if (!err)
		err = decode_array(&decoder, belief.roots[2], "backends", decode_backend);
	if (err)
		return err;
	if (belief.services.len)
		qsort(belief.services.items, belief.services.len, sizeof(*belief.services.items),
		      compare_services);
	drop_unowned(&belief);
	assign_backends(&belief);
	*ret = belief;
	belief = (struct ctl_belief){};
	return 0;
}

void ctl_belief_done(struct ctl_belief *belief)
{
	vec_foreach(&belief->services, service)
		vec_done(&service->frontends);
	vec_done(&belief->services);
	vec_done(&belief->backends);
	for (size_t i = 0; i < ARRAY_SIZE(belief->roots); i++)
		json_decref(belief->roots[i]);
	*belief = (struct ctl_belief){};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three resources that follow the API server independently of each other, one timer for what came
 * for any of them, and what people are told about the connection: one line when it is lost, one
 * when it is back.
 */
#include "source/kube.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/version.h"
#include "source/kube_credentials.h"
#include "source/kube_pods.h"
#include "source/kube_resource.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* How long one slice of decoding may hold the loop up, plus one object. */
#define SLICE (2 * NSEC_PER_MSEC)
/* While the server is away, a reason other than the one before is told at most this often. */
#define REASON_INTERVAL (30 * NSEC_PER_SEC)

enum resource_id { SERVICES, ENDPOINTS, NODES, RESOURCE_COUNT };

struct kube_source {
	struct loop *loop;
	struct source_events events;
	struct kube_credentials *credentials;
	struct http_streams *streams;
	char *proxy_name;
	enum kube_endpoints_api endpoints_api;
	struct kube_resource_owner owner;
	struct kube_resource resources[RESOURCE_COUNT];
	struct kube_pods *pods;
	size_t first; /* whose turn it is */
	struct loop_timer work;
	bool changed; /* since `synced` was called */
	bool synced;
	bool nodes_missing; /* was told */
	uint64_t away_since;
	uint64_t told; /* when the reason was logged last */
	char reason[512];
	char peer[64]; /* the address that the server had */
	bool use_peer; /* its name does not resolve at the moment */
};

int kube_endpoints_api_from_str(const char *text, enum kube_endpoints_api *ret)
{
	static const char *const names[] = {
		[KUBE_ENDPOINTS_AUTO] = "auto",
		[KUBE_ENDPOINTS_SLICES] = "endpointslices",
		[KUBE_ENDPOINTS_ENDPOINTS] = "endpoints",
	};

	_Static_assert(ARRAY_SIZE(names) == KUBE_ENDPOINTS_API_COUNT, "one for each");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], text) == 0) {
			*ret = (enum kube_endpoints_api)i;
			return 0;
		}
	}
	return -EINVAL;
}

static const char *server_of(const struct kube_source *source)
{
	return kube_credentials_server(source->credentials);
}

/* What the agent is told */

static void on_put(void *arg, struct object *object)
{
	struct kube_source *source = arg;

	source->changed = true;
	source->events.put(source->events.arg, object);
}

static void on_remove(void *arg, enum object_kind kind, const char *namespace, const char *name)
{
	struct kube_source *source = arg;

	source->changed = true;
	source->events.remove(source->events.arg, kind, namespace, name);
}

static void report_batch(struct kube_source *source)
{
	if (!source->resources[SERVICES].listed || !source->resources[ENDPOINTS].listed)
		return;
	if (source->synced && !source->changed)
		return;
	if (!source->synced)
		log_info("API server \"%s\": %zu services, %zu %s", server_of(source),
			 kube_resource_count(&source->resources[SERVICES]),
			 kube_resource_count(&source->resources[ENDPOINTS]),
			 kube_resource_name(&source->resources[ENDPOINTS]));
	source->synced = true;
	source->changed = false;
	source->events.synced(source->events.arg);
}

/* What people are told */

static void tell_away(struct kube_source *source, const struct kube_resource *resource,
		      const char *text)
{
	uint64_t now = clock_now();
	/* Another resource with the same trouble is no news. */
	bool is_news = !source->away_since ||
		       (strcmp(text, source->reason) != 0 && now - source->told >= REASON_INTERVAL);

	if (!source->away_since)
		source->away_since = now;
	if (!is_news)
		return;
	source->told = now;
	snprintf(source->reason, sizeof(source->reason), "%s", text);
	log_warn("API server \"%s\" does not serve us: %s: %s; %s, and asking goes on",
		 server_of(source), kube_resource_name(resource), text,
		 source->synced ? "the last state stays" : "what is pinned stays");
}

static void tell_back(struct kube_source *source)
{
	uint64_t now = clock_now();

	for (size_t i = 0; i < RESOURCE_COUNT; i++) {
		if (source->resources[i].failing_since)
			return;
	}
	log_info("API server \"%s\" is back after %.1f s", server_of(source),
		 (double)(now - source->away_since) / (double)NSEC_PER_SEC);
	source->away_since = 0;
}

/* For the resources */

static int open_stream(void *arg, struct http_stream_get *get, struct http_stream **ret)
{
	struct kube_source *source = arg;

	get->user_agent = "swerved/" SWERVE_VERSION;
	get->token = kube_credentials_token(source->credentials);
	get->tls = kube_credentials_tls(source->credentials);
	get->address = source->use_peer ? source->peer : NULL;
	return http_stream_open(source->streams, get, ret);
}

static void wake(void *arg)
{
	struct kube_source *source = arg;

	if (loop_timer_arm(source->loop, &source->work, loop_now(source->loop)) < 0)
		log_error("out of memory: what the API server sent waits for more of it");
}

static void on_answered(void *arg, struct kube_resource *resource, const char *peer)
{
	struct kube_source *source = arg;
	bool was_failing = resource->failing_since;

	if (*peer)
		snprintf(source->peer, sizeof(source->peer), "%s", peer);
	resource->failing_since = 0;
	if (!source->away_since)
		return;
	for (size_t i = 0; i < RESOURCE_COUNT; i++) {
		if (was_failing && &source->resources[i] != resource)
			kube_resource_hurry(&source->resources[i]);
	}
	tell_back(source);
}

static bool could_use_endpoints(const struct kube_source *source,
				const struct kube_resource *resource)
{
	return source->endpoints_api == KUBE_ENDPOINTS_AUTO && !resource->listed &&
	       resource->request.kind == OBJECT_SLICE;
}

/* A resource is unknown or forbidden. Returns whether that is no failure of the server. */
static bool on_missing(struct kube_source *source, struct kube_resource *resource, int code,
		       const char *text)
{
	const struct kube_resource *services = &source->resources[SERVICES];

	if (resource == &source->resources[NODES]) {
		if (!source->nodes_missing)
			log_warn(
				"API server \"%s\": nodes: %s; neither zones nor the NodePorts of other nodes are known",
				server_of(source), text);
		source->nodes_missing = true;
		return true;
	}
	if (!could_use_endpoints(source, resource))
		return false;
	/*
	 * An API server that has just been started answers so to everything. It counts once
	 * Services have been listed.
	 */
	if (code == 403 && !services->listed)
		return !services->failing_since;
	log_warn("API server \"%s\": endpointslices of discovery.k8s.io/v1: %s; using endpoints, "
		 "which are cut off at 1000 addresses",
		 server_of(source), text);
	kube_resource_start(resource, OBJECT_ENDPOINTS);
	return true;
}

static void on_failed(void *arg, struct kube_resource *resource, int error, int code, bool missing,
		      const char *text)
{
	struct kube_source *source = arg;

	/* The name does not resolve: the address that it had is tried. That fails: the name is. */
	if (error)
		source->use_peer = error == -EADDRNOTAVAIL && *source->peer;
	if (missing && on_missing(source, resource, code, text))
		return;
	if (!resource->failing_since)
		resource->failing_since = clock_now();
	tell_away(source, resource, text);
}

static void on_work(struct loop_timer *timer, uint64_t now)
{
	struct kube_source *source = container_of(timer, struct kube_source, work);
	uint64_t until = clock_now() + SLICE;
	bool more = false;

	(void)now;
	for (size_t i = 0; i < RESOURCE_COUNT; i++) {
		size_t turn = (source->first + i) % RESOURCE_COUNT;

		more |= kube_resource_work(&source->resources[turn], until);
	}
	source->first = (source->first + 1) % RESOURCE_COUNT;
	report_batch(source);
	if (more)
		wake(source);
}

static int init_resource(struct kube_source *source, enum resource_id id, enum object_kind kind)
{
	struct kube_resource_config config = {
		.loop = source->loop,
		.owner = &source->owner,
		.request = {.server = server_of(source),
			    .kind = kind,
			    .proxy_name = source->proxy_name},
		.events = {.put = on_put, .remove = on_remove, .arg = source},
	};

	return kube_resource_init(&source->resources[id], &config);
}

static int init_resources(struct kube_source *source)
{
	bool slices = source->endpoints_api != KUBE_ENDPOINTS_ENDPOINTS;
	int r = init_resource(source, SERVICES, OBJECT_SERVICE);

	if (r == 0)
		r = init_resource(source, ENDPOINTS, slices ? OBJECT_SLICE : OBJECT_ENDPOINTS);
	if (r == 0)
		r = init_resource(source, NODES, OBJECT_NODE);
	return r;
}

static void on_pod(void *arg, struct object *object)
{
	struct kube_source *source = arg;

	source->events.put(source->events.arg, object);
}

static int init_pods(struct kube_source *source)
{
	struct kube_pods_config config = {
		.server = server_of(source), .open = open_stream, .put = on_pod, .arg = source};

	return kube_pods_new(source->loop, &config, &source->pods);
}

static int copy_config(struct kube_source *source, const struct kube_source_config *config)
{
	source->events = config->events;
	source->endpoints_api = config->endpoints_api;
	if (config->proxy_name)
		source->proxy_name = strdup(config->proxy_name);
	return config->proxy_name && !source->proxy_name ? -ENOMEM : 0;
}

static void cleanup_source(struct kube_source **source)
{
	kube_source_free(*source);
}

int kube_source_new(struct loop *loop, const struct kube_source_config *config,
		    struct kube_source **ret)
{
	_cleanup_(cleanup_source) struct kube_source *source = calloc(1, sizeof(*source));
	int r;

	if (!source) {
		kube_credentials_free(config->credentials);
		return -ENOMEM;
	}
	source->loop = loop;
	source->credentials = config->credentials;
	source->work.fn = on_work;
	source->owner = (struct kube_resource_owner){.open = open_stream,
						     .wake = wake,
						     .answered = on_answered,
						     .failed = on_failed,
						     .arg = source};
	r = copy_config(source, config);
	if (r == 0)
		r = http_streams_new(loop, &source->streams);
	if (r == 0)
		r = init_resources(source);
	if (r == 0)
		r = init_pods(source);
	if (r < 0)
		return r;
	for (size_t i = 0; i < RESOURCE_COUNT; i++)
		kube_resource_start(&source->resources[i], source->resources[i].request.kind);
	*ret = TAKE_PTR(source);
	return 0;
}

void kube_source_free(struct kube_source *source)
{
	if (!source)
		return;
	loop_timer_cancel(&source->work);
	for (size_t i = 0; i < RESOURCE_COUNT; i++)
		kube_resource_done(&source->resources[i]);
	kube_pods_free(source->pods);
	http_streams_free(source->streams);
	kube_credentials_free(source->credentials);
	free(source->proxy_name);
	free(source);
}

int kube_source_get_pod(struct kube_source *source, const char *namespace, const char *name)
{
	return kube_pods_get(source->pods, namespace, name);
}

uint64_t kube_source_away_since(const struct kube_source *source)
{
	return source->away_since;
}

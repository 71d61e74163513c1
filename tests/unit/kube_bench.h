/* SPDX-License-Identifier: Apache-2.0 */
/* For the test of source/kube: the source, its API server, and what it has reported. */
#pragma once

#include "base/duration.h"
#include "base/log.h"
#include "source/kube.h"
#include "source/kube_credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unit/fake_api.h"

#define LONG_TIME (20 * NSEC_PER_SEC)

#define SERVICE(name, version, port)                                                               \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"default\",\"uid\":\"u-" name         \
	"\",\"resourceVersion\":\"" version "\"},\"spec\":{\"clusterIP\":\"10.96.0.9\",\"ports\":" \
	"[{\"port\":" port ",\"protocol\":\"TCP\"}]}}"
#define ENDPOINTS(name, version)                                                     \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"default\","            \
	"\"resourceVersion\":\"" version "\"},\"subsets\":[{\"addresses\":[{\"ip\":" \
	"\"10.244.0.9\"}],\"ports\":[{\"port\":80,\"protocol\":\"TCP\"}]}]}"
#define SLICE(name, version)                                                                     \
	"{\"metadata\":{\"name\":\"" name "-x\",\"namespace\":\"default\",\"labels\":{"          \
	"\"kubernetes.io/service-name\":\"" name "\"},\"resourceVersion\":\"" version "\"},"     \
	"\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.244.0.9\"]}],\"ports\":[{" \
	"\"port\":80,\"protocol\":\"TCP\"}]}"
#define NODE                "{\"metadata\":{\"name\":\"node-1\",\"resourceVersion\":\"3\"},\"status\":{}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}"
#define BOOKMARK(version)                                                        \
	"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Service\",\"metadata\":{" \
	"\"resourceVersion\":\"" version "\"}}}"
#define EXPIRED                                                                                   \
	"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"message\":\"too old\",\"reason\":" \
	"\"Expired\",\"code\":410}}"

struct bench {
	struct loop *loop;
	struct api api;
	struct kube_source *source;
	char *log; /* what was reported, since it was cleared */
	size_t log_size;
	FILE *out;
	char directory[64];
};

static void on_put(void *arg, struct object *object)
{
	struct bench *bench = arg;

	fprintf(bench->out, "put %s %s;", object_kind_to_str(object->kind), object_name(object));
	object_done(object);
}

static void on_remove(void *arg, enum object_kind kind, const char *namespace, const char *name)
{
	struct bench *bench = arg;

	assert_string_equal(namespace, kind == OBJECT_NODE ? "" : "default");
	fprintf(bench->out, "remove %s %s;", object_kind_to_str(kind), name);
}

static void on_synced(void *arg)
{
	struct bench *bench = arg;

	fputs("synced;", bench->out);
}

static void clear_log(struct bench *bench)
{
	fclose(bench->out);
	free(bench->log);
	bench->out = open_memstream(&bench->log, &bench->log_size);
	assert_non_null(bench->out);
}

static bool log_has(struct bench *bench, const char *text)
{
	fflush(bench->out);
	return strstr(bench->log, text);
}

/* Runs the loop until `condition` holds. */
#define run_until(bench, condition)                                                  \
	do {                                                                         \
		uint64_t end_ = clock_now() + LONG_TIME;                             \
		while (!(condition) && clock_now() < end_)                           \
			assert_int_equal(loop_run_once((bench)->loop, 10000000), 0); \
		if (!(condition))                                                    \
			fail_msg("never: %s; log: %s", #condition, (bench)->log);    \
	} while (0)

/* And so many rounds that, if the machine pauses meanwhile, what was due by then is done. */
static void run_for(struct bench *bench, uint64_t time)
{
	uint64_t end = clock_now() + time, least = time / (10 * NSEC_PER_MSEC);

	for (uint64_t rounds = 0; rounds < least || clock_now() < end; rounds++)
		assert_int_equal(loop_run_once(bench->loop, 10 * NSEC_PER_MSEC), 0);
}

static void write_token(struct bench *bench, const char *token)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/token", bench->directory);
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "%s\n", token);
	fclose(file);
}

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	log_set_level(LOG_ERROR);
	assert_int_equal(loop_new(&bench->loop), 0);
	bench->api.loop = bench->loop;
	for (size_t i = 0; i < OBJECT_KIND_COUNT; i++)
		bench->api.resources[i].version = "10";
	bench->api.resources[OBJECT_SERVICE].items = SERVICE("a", "1", "80");
	bench->api.resources[OBJECT_SLICE].items = SLICE("a", "2");
	bench->api.resources[OBJECT_NODE].items = NODE;
	api_open(&bench->api);
	bench->out = open_memstream(&bench->log, &bench->log_size);
	snprintf(bench->directory, sizeof(bench->directory), "/tmp/test_kube.XXXXXX");
	assert_non_null(mkdtemp(bench->directory));
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;
	char path[128];

	kube_source_free(bench->source);
	api_close(&bench->api);
	loop_free(bench->loop);
	fclose(bench->out);
	free(bench->log);
	snprintf(path, sizeof(path), "%s/token", bench->directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/ca.crt", bench->directory);
	unlink(path);
	rmdir(bench->directory);
	free(bench);
	return 0;
}

static void start_with(struct bench *bench, const struct kube_credentials_config *who,
		       enum kube_endpoints_api api, const char *proxy_name)
{
	struct kube_source_config config = {
		.proxy_name = proxy_name,
		.endpoints_api = api,
		.events = {.put = on_put, .remove = on_remove, .synced = on_synced, .arg = bench},
	};
	char error[256];

	assert_int_equal(kube_credentials_new(who, &config.credentials, error, sizeof(error)), 0);
	assert_int_equal(kube_source_new(bench->loop, &config, &bench->source), 0);
}

static void start_api(struct bench *bench, enum kube_endpoints_api api, const char *proxy_name)
{
	char url[64];
	struct kube_credentials_config who = {.api_server = url};

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", bench->api.port);
	start_with(bench, &who, api, proxy_name);
}

static void start(struct bench *bench)
{
	start_api(bench, KUBE_ENDPOINTS_AUTO, NULL);
}

static struct api_resource *resource(struct bench *bench, enum object_kind kind)
{
	return &bench->api.resources[kind];
}

static struct api_resource *services(struct bench *bench)
{
	return resource(bench, OBJECT_SERVICE);
}

/* Until all of it is listed and watched. */
static void run_until_watching(struct bench *bench)
{
	run_until(bench, log_has(bench, "synced") && services(bench)->watch &&
				 resource(bench, OBJECT_SLICE)->watch &&
				 resource(bench, OBJECT_NODE)->watch);
}

static void start_watching(struct bench *bench)
{
	start(bench);
	run_until_watching(bench);
	clear_log(bench);
}

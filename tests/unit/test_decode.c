/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden files: what tests/data/decode/NAME.json gives is in NAME.golden. To write them anew after
 * a change, and then look at the difference: UPDATE_GOLDEN=1 build/tests/test_decode
 */
#include "base/cleanup.h"
#include "base/duration.h"
#include "model/endpoint.h"
#include "model/node.h"
#include "model/pod.h"
#include "model/service.h"
#include "source/decode.h"

#include <errno.h>
#include <glob.h>
#include <jansson.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char data_files[] = "tests/data/decode/*.json";

static void *must(void *p)
{
	assert_non_null(p);
	return p;
}

/* Text of what was delivered. */

static const char *proto_to_str(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "TCP" : proto == IPPROTO_UDP ? "UDP" : "SCTP";
}

static void dump_service(FILE *out, const struct service *service)
{
	const struct probe_spec *probe = &service->probe;
	char interval[DURATION_STR_SIZE];
	char timeout[DURATION_STR_SIZE];
	char addr[ADDR_STR_SIZE];

	fprintf(out, " uid=%s policy=%s", service->uid,
		service->internal_policy == POLICY_LOCAL ? "Local" : "Cluster");
	if (service->affinity_timeout)
		fprintf(out, " affinity=%us", service->affinity_timeout);
	if (service->external_policy == POLICY_LOCAL)
		fputs(" external=Local", out);
	if (service->health_check_port)
		fprintf(out, " health-check=%u", service->health_check_port);
	fputc('\n', out);
	vec_foreach(&service->cluster_ips, ip)
		fprintf(out, "\tip %s\n", addr_to_str(ip, addr));
	vec_foreach(&service->external_ips, ip)
		fprintf(out, "\texternal ip %s\n", addr_to_str(ip, addr));
	vec_foreach(&service->balancer_ips, ip)
		fprintf(out, "\tbalancer ip %s\n", addr_to_str(ip, addr));
	vec_foreach(&service->source_ranges, range)
		fprintf(out, "\tsource range %s, %u bits\n", addr_to_str(&range->addr, addr),
			range->prefix);
	vec_foreach(&service->ports, port) {
		fprintf(out, "\tport '%s' %u/%s", port->name, port->port,
			proto_to_str(port->proto));
		if (port->node_port)
			fprintf(out, " node-port=%u", port->node_port);
		fputc('\n', out);
	}
	fprintf(out, "\tprobe %s %s port=%u interval=%s timeout=%s rise=%u fall=%u\n",
		probe_kind_to_str(probe->kind), probe->path, probe->port,
		duration_to_str(probe->interval, interval),
		duration_to_str(probe->timeout, timeout), probe->rise, probe->fall);
}

static void dump_endpoint(FILE *out, const struct endpoint *endpoint)
{
	char addr[ADDR_STR_SIZE];

	fprintf(out, "\tendpoint %s%s%s%s", addr_to_str(&endpoint->addr, addr),
		endpoint->ready ? " ready" : "", endpoint->serving ? " serving" : "",
		endpoint->terminating ? " terminating" : "");
	if (*endpoint->node_name)
		fprintf(out, " node=%s", endpoint->node_name);
	if (*endpoint->target)
		fprintf(out, " target=%s", endpoint->target);
	if (*endpoint->uid)
		fprintf(out, " uid=%s", endpoint->uid);
	vec_foreach(&endpoint->zone_hints, hint)
		fprintf(out, " for-zone=%s", *hint);
	vec_foreach(&endpoint->node_hints, hint)
		fprintf(out, " for-node=%s", *hint);
	fputc('\n', out);
}

static void dump_group(FILE *out, const struct endpoint_group *group)
{
	fprintf(out, " service=%s\n", group->service);
	vec_foreach(&group->subsets, subset) {
		fputs("    subset\n", out);
		vec_foreach(&subset->ports, port)
			fprintf(out, "\tport '%s' %u/%s\n", port->name, port->port,
				proto_to_str(port->proto));
		vec_foreach(&subset->endpoints, endpoint)
			dump_endpoint(out, endpoint);
	}
}

static void dump_node(FILE *out, const struct node *node)
{
	char addr[ADDR_STR_SIZE];

	fprintf(out, " zone=%s%s\n", node->zone, node->leaving ? " leaving" : "");
	vec_foreach(&node->addresses, address)
		fprintf(out, "\tip %s\n", addr_to_str(address, addr));
}

static void dump_pod(FILE *out, const struct pod *pod)
{
	char timeout[DURATION_STR_SIZE];

	fprintf(out, " uid=%s\n", pod->uid);
	vec_foreach(&pod->containers, container) {
		const struct probe_spec *probe = &container->probe;

		fputs("    container\n", out);
		vec_foreach(&container->ports, port)
			fprintf(out, "\tport %u/%s\n", port->port, proto_to_str(port->proto));
		if (!container->has_probe)
			continue;
		fprintf(out, "\tprobe %s port=%u path=%s host=%s service=%s timeout=%s given=%x\n",
			probe_kind_to_str(probe->kind), probe->port, probe->path, probe->host,
			probe->grpc_service, duration_to_str(probe->timeout, timeout),
			(unsigned int)probe->given);
		if (*probe->headers)
			fprintf(out, "%s", probe->headers);
	}
}

static void dump_object(FILE *out, const struct object *object)
{
	fprintf(out, "%s '%s' '%s'", object_kind_to_str(object->kind), object_namespace(object),
		object_name(object));
	switch (object->kind) {
	case OBJECT_SERVICE:
		dump_service(out, object->service);
		break;
	case OBJECT_SLICE:
	case OBJECT_ENDPOINTS:
		dump_group(out, object->endpoints);
		break;
	case OBJECT_NODE:
		dump_node(out, object->node);
		break;
	case OBJECT_POD:
		dump_pod(out, object->pod);
		break;
	case OBJECT_KIND_COUNT:
		fail();
	}
}

/* Collects what decode() reports. */
struct result {
	int r;
	size_t objects;
	size_t problems;
	uint64_t digest; /* of the last object */
	char *text;
	size_t text_size;
	FILE *out;
};

static void on_object(void *arg, struct object *object, uint64_t digest)
{
	struct result *result = arg;

	dump_object(result->out, object);
	result->objects++;
	result->digest = digest;
	object_done(object);
}

static void on_problem(void *arg, const struct decode_problem *problem)
{
	struct result *result = arg;
	bool known = problem->kind != OBJECT_KIND_COUNT;

	assert_non_null(problem->text);
	assert_int_equal(problem->name == NULL, problem->namespace == NULL);
	fprintf(result->out, "%s [%s %s/%s] %s\n", problem->fatal ? "fatal" : "problem",
		known ? object_kind_to_str(problem->kind) : "?",
		problem->name ? problem->namespace : "?", problem->name ? problem->name : "?",
		problem->text);
	result->problems++;
}

static void result_done(struct result *result)
{
	free(result->text);
}

static void run(const char *text, size_t size, struct result *ret)
{
	struct decode_events events = {.object = on_object, .problem = on_problem, .arg = ret};
	/* Exactly as large as the text, so that reading on is seen by the sanitizer. */
	_cleanup_free_ char *copy = must(malloc(size ? size : 1));

	*ret = (struct result){};
	if (size)
		memcpy(copy, text, size);
	ret->out = must(open_memstream(&ret->text, &ret->text_size));
	ret->r = decode(copy, size, &events);
	fclose(ret->out);
}

static char *read_text(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	*ret_size = 0;
	for (size_t n = 1; n > 0; *ret_size += n) {
		text = must(realloc(text, *ret_size + 4096 + 1));
		n = fread(text + *ret_size, 1, 4096, file);
	}
	text[*ret_size] = 0;
	fclose(file);
	return text;
}

static void write_text(const char *path, const char *text)
{
	FILE *file = must(fopen(path, "we"));

	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void check_golden(const char *path)
{
	_cleanup_(result_done) struct result result = {};
	_cleanup_free_ char *golden_path = NULL;
	_cleanup_free_ char *golden = NULL;
	_cleanup_free_ char *actual = NULL;
	size_t size;
	_cleanup_free_ char *text = read_text(path, &size);

	assert_true(asprintf(&golden_path, "%.*s.golden", (int)strlen(path) - 5, path) > 0);
	run(text, size, &result);
	assert_true(asprintf(&actual, "%sreturns %d\n", result.text, result.r) > 0);
	if (getenv("UPDATE_GOLDEN"))
		write_text(golden_path, actual);
	golden = read_text(golden_path, &size);
	if (strcmp(actual, golden) != 0)
		fail_msg("%s differs; it should be\n%s", golden_path, actual);
}

static void test_golden_files(void **state)
{
	glob_t files;

	(void)state;
	assert_int_equal(glob(data_files, 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= 20);
	for (size_t i = 0; i < files.gl_pathc; i++)
		check_golden(files.gl_pathv[i]);
	globfree(&files);
}

/* A document of every kind, as small as it can be with every field that is read. */
static const char document[] =
	"{\"kind\":\"List\",\"items\":["
	"{\"kind\":\"Service\",\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"u\","
	"\"labels\":{\"x\":\"y\"},\"annotations\":{\"swerve.dev/probe\":\"http\"}},"
	"\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"10.96.0.1\",\"clusterIPs\":"
	"[\"10.96.0.1\",\"fd00::1\"],\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":"
	"\"TCP\"}],\"internalTrafficPolicy\":\"Cluster\"}},"
	"{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"web-1\",\"namespace\":\"a\","
	"\"labels\":{\"kubernetes.io/service-name\":\"web\"}},\"addressType\":\"IPv4\","
	"\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"conditions\":{\"ready\":true,"
	"\"serving\":true,\"terminating\":false},\"nodeName\":\"n1\",\"topology\":"
	"{\"kubernetes.io/hostname\":\"n1\"},\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"a\","
	"\"name\":\"web-0\",\"uid\":\"u\"}}],\"ports\":[{\"name\":\"http\",\"port\":8080,"
	"\"protocol\":\"TCP\"}]},"
	"{\"kind\":\"Endpoints\",\"metadata\":{\"name\":\"web\",\"namespace\":\"a\"},\"subsets\":"
	"[{\"addresses\":[{\"ip\":\"10.0.0.1\",\"nodeName\":\"n1\"}],\"notReadyAddresses\":"
	"[{\"ip\":\"10.0.0.2\"}],\"ports\":[{\"name\":\"http\",\"port\":8080}]}]},"
	"{\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\",\"labels\":"
	"{\"topology.kubernetes.io/zone\":\"z\"}},\"status\":{\"addresses\":[{\"type\":"
	"\"InternalIP\",\"address\":\"192.0.2.1\"}]}}]}";

static void test_whole_document(void **state)
{
	_cleanup_(result_done) struct result result = {};

	(void)state;
	run(document, strlen(document), &result);
	assert_int_equal(result.r, 0);
	assert_int_equal(result.objects, 4);
	assert_int_equal(result.problems, 0);
}

static void test_every_prefix_is_refused(void **state)
{
	(void)state;
	for (size_t size = 0; size < strlen(document); size++) {
		_cleanup_(result_done) struct result result = {};

		run(document, size, &result);
		assert_int_equal(result.r, -EINVAL);
		assert_int_equal(result.objects, 0);
		assert_int_equal(result.problems, 1);
		if (strncmp(result.text, "fatal [? ?/?] line 1, column ", 29) != 0)
			fail_msg("after %zu bytes: %s", size, result.text);
	}
}

/* Puts each of the other values into the place that `slot` is, and decodes the whole. */
static void check_place(json_t *root, json_t *container, const char *key, size_t index)
{
	static const char *const values[] = {"null",  "true", "-1",    "1e300", "\"\"",
					     "\"x\"", "[]",   "[[1]]", "{}",    "{\"a\":{}}"};
	json_t *original = key ? json_object_get(container, key) : json_array_get(container, index);

	json_incref(original);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		_cleanup_(result_done) struct result result = {};
		json_t *value = json_loads(values[i], JSON_DECODE_ANY, NULL);
		_cleanup_free_ char *text = NULL;

		if (key)
			json_object_set_new(container, key, value);
		else
			json_array_set_new(container, index, value);
		text = must(json_dumps(root, JSON_COMPACT));
		run(text, strlen(text), &result);
		if (result.r != 0 && result.r != -EINVAL)
			fail_msg("%d from %s", result.r, text);
		/* null and [] are empty lists. */
		if (key && strcmp(key, "items") == 0)
			continue;
		if (result.objects < 4 && result.problems == 0)
			fail_msg("an object is lost without a problem: %s", text);
	}
	if (key)
		json_object_set_new(container, key, original);
	else
		json_array_set_new(container, index, original);
}

static void check_places(json_t *root, json_t *container)
{
	_cleanup_free_ const char **keys = must(calloc(64, sizeof(*keys)));
	size_t len = 0;
	const char *key;
	json_t *value;

	if (json_is_array(container)) {
		for (size_t i = 0; i < json_array_size(container); i++) {
			check_places(root, json_array_get(container, i));
			check_place(root, container, NULL, i);
		}
		return;
	}
	json_object_foreach(container, key, value)
		keys[len++] = key;
	for (size_t i = 0; i < len; i++) {
		check_places(root, json_object_get(container, keys[i]));
		check_place(root, container, keys[i], 0);
	}
}

static void test_wrong_values_everywhere(void **state)
{
	json_t *root = must(json_loads(document, 0, NULL));

	(void)state;
	check_places(root, root);
	json_decref(root);
}

static void test_digest(void **state)
{
	static const struct {
		const char *text;
		bool equal;
	} variants[] = {
		{"{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"x\":[1,2.5,true,null,\"s\"]}}",
		 true},
		{"{\"metadata\":{\"x\":[1,2.5,true,null,\"s\"],\"name\":\"a\"},  \"kind\":\"Node\"}",
		 true},
		{"{\"kind\":\"Node\",\"metadata\":{\"name\":\"b\",\"x\":[1,2.5,true,null,\"s\"]}}",
		 false},
		{"{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"y\":[1,2.5,true,null,\"s\"]}}",
		 false},
		{"{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"x\":[2,2.5,true,null,\"s\"]}}",
		 false},
		{"{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"x\":[1,2.6,true,null,\"s\"]}}",
		 false},
		{"{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"x\":[1,2.5,false,null,\"s\"]}}",
		 false},
		{"{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"x\":[1,2.5,null,true,\"s\"]}}",
		 false},
		{"{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"x\":[1,2.5,true,null,[\"s\"]]}}",
		 false},
		{"{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"x\":[1,2.5,true,null,\"s\",{}]}}",
		 false},
	};
	uint64_t digest = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		_cleanup_(result_done) struct result result = {};

		run(variants[i].text, strlen(variants[i].text), &result);
		assert_int_equal(result.objects, 1);
		if (i == 0)
			digest = result.digest;
		if ((result.digest == digest) != variants[i].equal)
			fail_msg("digest of %s", variants[i].text);
	}
}

static void test_ten_thousand_services(void **state)
{
	enum { SERVICES = 10000 };
	_cleanup_(result_done) struct result result = {};
	char *text = NULL;
	size_t size;
	FILE *out = must(open_memstream(&text, &size));

	(void)state;
	fputs("{\"kind\":\"List\",\"items\":[", out);
	for (unsigned int i = 0; i < SERVICES; i++) {
		fprintf(out,
			"%s{\"kind\":\"Service\",\"metadata\":{\"name\":\"svc-%u\",\"namespace\":"
			"\"a\"},\"spec\":{\"clusterIP\":\"10.96.%u.%u\",\"ports\":[{\"name\":"
			"\"http\",\"port\":80,\"protocol\":\"TCP\"}]}}",
			i ? "," : "", i, i / 250, i % 250 + 1);
	}
	fputs("]}", out);
	fclose(out);
	run(text, size, &result);
	free(text);
	assert_int_equal(result.r, 0);
	assert_int_equal(result.objects, SERVICES);
	assert_int_equal(result.problems, 0);
	assert_non_null(strstr(result.text, "Service 'a' 'svc-9999' uid= policy=Cluster\n"
					    "\tip 10.96.39.250\n"));
}

/* Brackets nested deeper than the parser goes are malformed, not a crash. */
static void test_deep_nesting(void **state)
{
	_cleanup_(result_done) struct result result = {};
	_cleanup_(result_done) struct result inside = {};
	char text[8192];
	size_t len;

	(void)state;
	memset(text, '[', sizeof(text));
	run(text, sizeof(text), &result);
	assert_int_equal(result.r, -EINVAL);

	len = (size_t)snprintf(text, sizeof(text),
			       "{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\"},\"x\":");
	memset(text + len, '[', 2000);
	memset(text + len + 2000, ']', 2000);
	text[len + 4000] = '}';
	run(text, len + 4001, &inside);
	assert_int_equal(inside.r, 0);
	assert_int_equal(inside.objects, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_files),
		cmocka_unit_test(test_whole_document),
		cmocka_unit_test(test_every_prefix_is_refused),
		cmocka_unit_test(test_wrong_values_everywhere),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_ten_thousand_services),
		cmocka_unit_test(test_deep_nesting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

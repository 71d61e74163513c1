/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs out of memory at every allocation in turn: linked so that the allocation functions of our
 * own objects come here. jansson allocates from memory of ours, so it is included.
 */
#include "base/cleanup.h"
#include "model/endpoint.h"
#include "model/model.h"
#include "model/node.h"
#include "model/node_ports.h"
#include "model/plan.h"
#include "model/pod.h"
#include "model/service.h"
#include "source/decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct node_ports everywhere;

static bool counting;
static unsigned long allocations; /* since counting was set */
static unsigned long fail_at;     /* which of them fails; 0: none */

static bool is_to_fail(void)
{
	return counting && ++allocations == fail_at;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

void *__wrap_malloc(size_t size)
{
	return is_to_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return is_to_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return is_to_fail() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
	return is_to_fail() ? NULL : __real_reallocarray(p, count, size);
}

char *__wrap_strdup(const char *text)
{
	return is_to_fail() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t len)
{
	return is_to_fail() ? NULL : __real_strndup(text, len);
}

/* Two names are longer than what the parser reserves at first, and the ports need a longer vec. */
static const char list[] =
	"{\"kind\":\"List\",\"items\":["
	"{\"kind\":\"Service\",\"metadata\":{\"name\":\"web-with-a-name-that-is-not-short\","
	"\"namespace\":\"a\",\"uid\":\"u\",\"annotations\":{\"swerve.dev/probe\":\"smtp\"}},"
	"\"spec\":{\"clusterIPs\":[\"10.96.0.1\",\"fd00::1\"],\"ports\":["
	"{\"name\":\"p1\",\"port\":1},{\"name\":\"p2\",\"port\":2},{\"name\":\"p3\",\"port\":3},"
	"{\"name\":\"p4\",\"port\":4},{\"name\":\"p5\",\"port\":5},{\"name\":\"p6\",\"port\":6},"
	"{\"name\":\"p7\",\"port\":7},{\"name\":\"p8\",\"port\":8},{\"name\":\"p9\",\"port\":9}]}},"
	"{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"web-1\",\"namespace\":\"a\","
	"\"labels\":{\"kubernetes.io/service-name\":\"web-with-a-name-that-is-not-short\"}},"
	"\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"nodeName\":\"n1\",\"targetRef\":"
	"{\"kind\":\"Pod\",\"name\":\"web-0\",\"uid\":\"u\"}},{\"addresses\":[\"10.0.0.2\"],"
	"\"conditions\":{\"ready\":false,\"terminating\":true}},{\"addresses\":[\"fd00::2\"]}],"
	"\"ports\":[{\"name\":\"p1\",\"port\":8080},{\"name\":\"p9\",\"port\":8089}]},"
	"{\"kind\":\"Endpoints\",\"metadata\":{\"name\":\"web\",\"namespace\":\"a\"},\"subsets\":"
	"[{\"addresses\":[{\"ip\":\"10.0.0.1\"}],\"ports\":[{\"port\":8080}]},{\"addresses\":"
	"[{\"ip\":\"10.0.0.1\"}],\"ports\":[{\"port\":8081}]}]},"
	"{\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"},\"status\":{\"addresses\":[{\"type\":"
	"\"InternalIP\",\"address\":\"192.0.2.1\"}]}},"
	"{\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-0\",\"namespace\":\"a\",\"uid\":\"u\"},"
	"\"spec\":{\"containers\":[{\"ports\":[{\"containerPort\":8080}],\"readinessProbe\":"
	"{\"tcpSocket\":{\"port\":8080}}}]}}]}";
enum { OBJECTS = 5, PORTS = 9, ENDPOINTS = 3, SUBSETS = 2 };

struct received {
	struct object objects[OBJECTS];
	size_t len;
	size_t problems;
};

static void on_object(void *arg, struct object *object, uint64_t digest)
{
	struct received *received = arg;

	(void)digest;
	assert_true(received->len < OBJECTS);
	received->objects[received->len++] = *object;
}

static void on_problem(void *arg, const struct decode_problem *problem)
{
	struct received *received = arg;

	assert_non_null(problem->text);
	received->problems++;
}

static void received_done(struct received *received)
{
	for (size_t i = 0; i < received->len; i++)
		object_done(&received->objects[i]);
	received->len = 0;
}

static int decode_list(struct received *received)
{
	struct decode_events events = {.object = on_object, .problem = on_problem, .arg = received};

	return decode(list, sizeof(list) - 1, &events);
}

/* What was delivered before memory ran out is whole. */
static void assert_complete(const struct object *object)
{
	const struct service *service = object->service;
	const struct endpoint_group *group = object->endpoints;

	assert_true(strlen(object_name(object)) > 0);
	switch (object->kind) {
	case OBJECT_SERVICE:
		assert_string_equal(service->name, "web-with-a-name-that-is-not-short");
		assert_string_equal(service->namespace, "a");
		assert_string_equal(service->uid, "u");
		assert_int_equal(service->cluster_ips.len, 2);
		assert_int_equal(service->ports.len, PORTS);
		assert_string_equal(service->ports.items[PORTS - 1].name, "p9");
		break;
	case OBJECT_SLICE:
		assert_string_equal(group->service, "web-with-a-name-that-is-not-short");
		assert_int_equal(group->subsets.items[0].ports.len, 2);
		assert_int_equal(group->subsets.items[0].endpoints.len, ENDPOINTS);
		assert_string_equal(group->subsets.items[0].endpoints.items[0].target, "a/web-0");
		break;
	case OBJECT_ENDPOINTS:
		assert_int_equal(group->subsets.len, SUBSETS);
		assert_int_equal(group->subsets.items[1].ports.items[0].port, 8081);
		break;
	case OBJECT_NODE:
		assert_int_equal(object->node->addresses.len, 1);
		break;
	case OBJECT_POD:
		assert_int_equal(object->pod->containers.len, 1);
		assert_int_equal(object->pod->containers.items[0].ports.len, 1);
		assert_true(object->pod->containers.items[0].has_probe);
		break;
	case OBJECT_KIND_COUNT:
		fail();
	}
}

static void start_counting(unsigned long n)
{
	allocations = 0;
	fail_at = n;
	counting = true;
}

static void test_decode(void **state)
{
	int r = -ENOMEM;
	size_t most = 0;

	(void)state;
	for (unsigned long n = 1; r != 0; n++) {
		_cleanup_(received_done) struct received received = {};

		start_counting(n);
		r = decode_list(&received);
		counting = false;
		assert_int_equal(r, n > allocations ? 0 : -ENOMEM);
		assert_true(received.len >= most);
		most = received.len;
		for (size_t i = 0; i < received.len; i++)
			assert_complete(&received.objects[i]);
	}
	assert_int_equal(most, OBJECTS);
	assert_true(allocations > 30);
}

/* A document for which the parser needs its memory in many pieces. */
static char *make_large_text(size_t *ret_size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_size);

	assert_non_null(out);
	fputs("{\"kind\":\"NodeList\",\"items\":[", out);
	for (int i = 0; i < 5; i++) {
		fprintf(out, "%s{\"metadata\":{\"name\":\"n%d\"},\"x\":\"", i ? "," : "", i);
		for (int k = 0; k < 30000; k++)
			fputs("long", out);
		fputs("\",\"y\":[", out);
		for (int k = 0; k < 5000; k++)
			fprintf(out, "%d,", k);
		fputs("0]}", out);
	}
	fputs("]}", out);
	fclose(out);
	return text;
}

static void ignore_object(void *arg, struct object *object, uint64_t digest)
{
	(void)arg;
	(void)digest;
	object_done(object);
}

static void test_decode_large(void **state)
{
	struct received received = {};
	struct decode_events events = {
		.object = ignore_object, .problem = on_problem, .arg = &received};
	int r = -ENOMEM;
	size_t size;
	_cleanup_free_ char *text = make_large_text(&size);

	(void)state;
	for (unsigned long n = 1; r != 0; n++) {
		start_counting(n);
		r = decode(text, size, &events);
		counting = false;
		assert_int_equal(r, n > allocations ? 0 : -ENOMEM);
		assert_int_equal(received.problems, 0);
	}
	assert_true(allocations > 10);
}

/* Malformed text is not taken for a lack of memory, nor the other way round. */
static void test_decode_malformed(void **state)
{
	struct received received = {};
	struct decode_events events = {
		.object = on_object, .problem = on_problem, .arg = &received};
	static const char text[] = "{\"kind\": \"No";

	(void)state;
	start_counting(1);
	assert_int_equal(decode(text, sizeof(text) - 1, &events), -ENOMEM);
	assert_int_equal(received.problems, 0);
	start_counting(0);
	assert_int_equal(decode(text, sizeof(text) - 1, &events), -EINVAL);
	counting = false;
	assert_int_equal(received.problems, 1);
}

/* A model and the plan of its service, with everything that the list holds. */
static int plan_list(struct received *received, struct plan *plan)
{
	struct model *model = NULL;
	int r = model_new("n1", &everywhere, &model);

	for (size_t i = 0; i < received->len && r == 0; i++)
		r = model_put(model, &received->objects[i]);
	if (r == 0)
		r = plan_service(model, "a", "web-with-a-name-that-is-not-short", plan);
	model_free(model);
	return r;
}

static void test_model_and_plan(void **state)
{
	int r = -ENOMEM;

	(void)state;
	for (unsigned long n = 1; r != 0; n++) {
		_cleanup_(received_done) struct received received = {};
		_cleanup_(plan_done) struct plan plan = {};

		assert_int_equal(decode_list(&received), 0);
		start_counting(n);
		r = plan_list(&received, &plan);
		counting = false;
		if (r != 0)
			assert_int_equal(r, -ENOMEM);
		assert_int_equal(plan.ports.len, r == 0 ? 2 * PORTS : 0);
	}
	assert_true(allocations > 30);
}

/* The old object stays when there is no memory for the new one, and both are counted once. */
static void test_model_put_keeps_the_old_object(void **state)
{
	int r = -ENOMEM;

	(void)state;
	for (unsigned long n = 1; r != 0; n++) {
		_cleanup_(received_done) struct received first = {};
		_cleanup_(received_done) struct received second = {};
		const struct endpoint_group *group;
		struct model *model;

		assert_int_equal(decode_list(&first), 0);
		assert_int_equal(decode_list(&second), 0);
		assert_int_equal(model_new("n1", &everywhere, &model), 0);
		assert_int_equal(model_put(model, &first.objects[1]), 0);
		free(second.objects[1].endpoints->service);
		second.objects[1].endpoints->service = strdup("other");
		start_counting(n);
		r = model_put(model, &second.objects[1]);
		counting = false;
		assert_int_equal(model_count(model, OBJECT_SLICE), 1);
		assert_int_equal(model_endpoints(model, "a", "other", &group, 1), r == 0);
		assert_int_equal(
			model_endpoints(model, "a", "web-with-a-name-that-is-not-short", &group, 1),
			r != 0);
		model_free(model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_large),
		cmocka_unit_test(test_decode_malformed),
		cmocka_unit_test(test_model_and_plan),
		cmocka_unit_test(test_model_put_keeps_the_old_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Single pods, from a server on the loop of the test. */
#include "source/kube_pods.h"

#include "base/duration.h"
#include "base/log.h"
#include "model/pod.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unit/fake_api.h"

#define POD "{\"metadata\":{\"name\":\"web-0\",\"namespace\":\"a\",\"uid\":\"u\"},\"spec\":{}}"

struct bench {
	struct loop *loop;
	struct api api;
	struct http_streams *streams;
	struct kube_pods *pods;
	char url[64];
	size_t count; /* pods that came */
};

static int open_stream(void *arg, struct http_stream_get *get, struct http_stream **ret)
{
	struct bench *bench = arg;

	get->user_agent = "test/1";
	return http_stream_open(bench->streams, get, ret);
}

static void on_put(void *arg, struct object *object)
{
	struct bench *bench = arg;

	assert_int_equal(object->kind, OBJECT_POD);
	assert_string_equal(object->pod->namespace, "a");
	assert_string_equal(object->pod->uid, "u");
	object_done(object);
	bench->count++;
}

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	struct kube_pods_config config = {
		.server = bench->url, .open = open_stream, .put = on_put, .arg = bench};

	assert_non_null(bench);
	log_set_level(LOG_ERROR);
	assert_int_equal(loop_new(&bench->loop), 0);
	bench->api.loop = bench->loop;
	api_open(&bench->api);
	snprintf(bench->url, sizeof(bench->url), "http://127.0.0.1:%u", bench->api.port);
	assert_int_equal(http_streams_new(bench->loop, &bench->streams), 0);
	assert_int_equal(kube_pods_new(bench->loop, &config, &bench->pods), 0);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	kube_pods_free(bench->pods);
	http_streams_free(bench->streams);
	api_close(&bench->api);
	loop_free(bench->loop);
	free(bench);
	return 0;
}

static struct api_resource *answers(struct bench *bench)
{
	return &bench->api.resources[OBJECT_POD];
}

static void get(struct bench *bench, const char *name)
{
	assert_int_equal(kube_pods_get(bench->pods, "a", name), 0);
}

static void run_until_requests(struct bench *bench, size_t count)
{
	uint64_t end = clock_now() + 20 * NSEC_PER_SEC;

	while (answers(bench)->lists < count && clock_now() < end)
		assert_int_equal(loop_run_once(bench->loop, 10 * NSEC_PER_MSEC), 0);
	assert_int_equal(answers(bench)->lists, count);
}

/* And so many rounds that, if the machine pauses meanwhile, what was due by then is done. */
static void run_for(struct bench *bench, uint64_t ns)
{
	uint64_t end = clock_now() + ns, least = ns / (10 * NSEC_PER_MSEC);

	for (uint64_t rounds = 0; rounds < least || clock_now() < end; rounds++)
		assert_int_equal(loop_run_once(bench->loop, 10 * NSEC_PER_MSEC), 0);
}

static void test_a_pod(void **state)
{
	struct bench *bench = *state;

	answers(bench)->items = POD;
	get(bench, "web-0");
	run_until_requests(bench, 1);
	run_for(bench, 100 * NSEC_PER_MSEC);
	assert_int_equal(bench->count, 1);
	assert_ptr_equal(strstr(answers(bench)->request, "GET /api/v1/namespaces/a/pods/web-0 "),
			 answers(bench)->request);
}

static void test_many_are_asked_for_slowly(void **state)
{
	struct bench *bench = *state;
	uint64_t began = clock_now();

	answers(bench)->items = POD;
	for (int i = 0; i < 100; i++)
		get(bench, "web-0");
	run_until_requests(bench, 12);
	/* The first one at once, the others 50 ms apart. */
	assert_true(clock_now() - began >= 500 * NSEC_PER_MSEC);
}

static void test_a_pod_that_is_gone_is_forgotten(void **state)
{
	struct bench *bench = *state;

	get(bench, "web-0");
	run_until_requests(bench, 1);
	answers(bench)->items = POD;
	run_for(bench, 1500 * NSEC_PER_MSEC);
	assert_int_equal(answers(bench)->lists, 1);
	get(bench, "web-1");
	run_until_requests(bench, 2);
	run_for(bench, 100 * NSEC_PER_MSEC);
	assert_int_equal(bench->count, 1);
}

/* Nor is anything else asked for in the meantime. */
static void test_forbidden_is_not_asked_again_soon(void **state)
{
	struct bench *bench = *state;

	answers(bench)->list_answers[0] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}";
	answers(bench)->items = POD;
	get(bench, "web-0");
	run_until_requests(bench, 1);
	get(bench, "web-1");
	run_for(bench, 1500 * NSEC_PER_MSEC);
	assert_int_equal(answers(bench)->lists, 1);
	assert_int_equal(bench->count, 0);
}

static void test_failures_are_asked_again(void **state)
{
	struct bench *bench = *state;

	answers(bench)->list_answers[0] =
		"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}";
	answers(bench)->items = POD;
	get(bench, "web-0");
	run_until_requests(bench, 2);
	run_for(bench, 100 * NSEC_PER_MSEC);
	assert_int_equal(bench->count, 1);
}

static void test_an_answer_that_is_none(void **state)
{
	struct bench *bench = *state;

	answers(bench)->items = "nonsense";
	get(bench, "web-0");
	run_until_requests(bench, 1);
	run_for(bench, 1500 * NSEC_PER_MSEC);
	assert_int_equal(answers(bench)->lists, 1);
	assert_int_equal(bench->count, 0);
}

/* With requests under way and others that wait. */
static void test_freed_amid_of_it(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < 9; i++)
		get(bench, "web-0");
	run_for(bench, 60 * NSEC_PER_MSEC);
}

#define unit(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_a_pod),
		unit(test_many_are_asked_for_slowly),
		unit(test_a_pod_that_is_gone_is_forgotten),
		unit(test_forbidden_is_not_asked_again_soon),
		unit(test_failures_are_asked_again),
		unit(test_an_answer_that_is_none),
		unit(test_freed_amid_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

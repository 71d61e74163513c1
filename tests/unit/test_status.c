/* SPDX-License-Identifier: Apache-2.0 */
/* The datapath and the health of these tests are the tables below; the rest is real. */
#include "model/node_ports.h"
#include "status/status.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/json_text.h"
#include "base/version.h"
#include "loop/loop.h"
#include "net/http_fetch.h"
#include "status/status_json.h"
#include "status/status_metrics.h"

#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct node_ports everywhere;

#define SEC 1000000000ULL
#define NOW (1000 * SEC)

static struct sw_service services[] = {
	[1] = {.last_used = NOW - 2 * SEC, .connects = 1000, .refused = 7, .name = "ignored"},
	[2] = {.refused = 3},
};
static const enum sw_health kernel_says[] = {
	[1] = SW_HEALTH_UP, [2] = SW_HEALTH_REFUSED, [3] = SW_HEALTH_SUSPECT};
static const struct health_view probes[] = {
	[1] = {.state = HEALTH_UP,
	       .detail = "HTTP 200",
	       .since = NOW - 10 * SEC,
	       .last_probe = NOW - SEC / 2,
	       .latency = 350000,
	       .probes = 12,
	       .failures = 1},
	/* Taken over from before a restart, without a verdict yet. */
	[2] = {.state = HEALTH_DOWN, .since = NOW - SEC},
};
static struct dp_table table;
static struct status_progress progress;

const struct dp_table *datapath_table(const struct datapath *datapath)
{
	(void)datapath;
	return &table;
}

size_t datapath_sources(const struct datapath *datapath)
{
	(void)datapath;
	return 7;
}

const struct sw_service *datapath_service(const struct datapath *datapath, uint32_t service)
{
	(void)datapath;
	return &services[service];
}

enum sw_health datapath_health(const struct datapath *datapath, uint32_t backend)
{
	(void)datapath;
	return kernel_says[backend];
}

/* The second is ejected. */
uint64_t datapath_ejected_until(const struct datapath *datapath, uint32_t backend)
{
	(void)datapath;
	return backend == 2 ? NOW + SEC : 0;
}

bool datapath_is_lowered(const struct datapath *datapath, uint32_t backend)
{
	(void)datapath;
	return backend == 1;
}

uint64_t datapath_connects(const struct datapath *datapath, uint32_t backend)
{
	(void)datapath;
	return 10 * (uint64_t)backend;
}

int health_get(const struct health *health, uint32_t id, struct health_view *ret)
{
	(void)health;
	if (id >= ARRAY_SIZE(probes))
		return -ENOENT;
	*ret = probes[id];
	return 0;
}

struct health_totals health_totals(const struct health *health)
{
	(void)health;
	return (struct health_totals){.probes = 500, .failures = 20, .discarded = 3};
}

static const char *target(void *arg, uint32_t backend)
{
	(void)arg;
	return backend == 1 ? "default/pod-\"1\"" : NULL;
}

static void get_progress(void *arg, struct status_progress *ret)
{
	(void)arg;
	*ret = progress;
}

/* A port with one frontend; its backends are those of the numbers. */
static struct dp_port *add_port(const char *name, uint32_t service, const char *frontend)
{
	struct dp_frontend entry = {.key = {.port = 80, .proto = IPPROTO_TCP}};
	struct dp_port *port;
	struct addr addr;

	assert_int_equal(dp_table_add_port(&table, name, IPPROTO_TCP, &port), 0);
	assert_int_equal(addr_from_str(frontend, &addr), 0);
	entry.key.addr = dp_sw_addr(&addr);
	assert_int_equal(vec_push(&port->frontends, entry), 0);
	port->service = service;
	return port;
}

static void add_backend(struct dp_port *port, uint32_t index, const char *text)
{
	struct dp_backend backend = {.index = index, .port = 8080, .listed = true};

	assert_int_equal(addr_from_str(text, &backend.addr), 0);
	assert_int_equal(vec_push(&port->backends, backend), 0);
}

struct fixture {
	struct model *model;
	struct status_context context;
	struct status_view view;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct dp_port *port;

	assert_non_null(f);
	assert_int_equal(dp_table_init(&table), 0);
	port = add_port("default/web:80/TCP", 1, "10.96.0.10");
	add_backend(port, 1, "10.244.0.1");
	add_backend(port, 2, "10.244.0.2");
	add_backend(port, 3, "10.244.0.3");
	port->backends.items[2].terminating = true;
	assert_int_equal(vec_push(&port->lists, (struct dp_list){.usable = 2}), 0);
	add_port("default/empty:80/TCP", 2, "fd00::1");
	assert_int_equal(model_new("node-1", &everywhere, &f->model), 0);
	progress = (struct status_progress){.eligible = true};
	f->context = (struct status_context){.model = f->model,
					     .source = "file:/tmp/\xff.json",
					     .started = NOW - 60 * SEC,
					     .target = target,
					     .progress = get_progress};
	assert_int_equal(status_view_take(&f->context, NOW, &f->view), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	status_view_done(&f->view);
	model_free(f->model);
	/* What the ports hold belongs to their owner, the diff; here that is the test. */
	dp_table_done(&table);
	free(f);
	return 0;
}

static void test_view(void **state)
{
	const struct fixture *f = *state;
	const struct status_port *web;

	assert_int_equal(f->view.ports.len, 2);
	assert_string_equal(f->view.ports.items[0].name, "default/empty:80/TCP");
	web = &f->view.ports.items[1];
	assert_string_equal(web->name, "default/web:80/TCP");
	assert_int_equal(web->connects, 1000 + 10 + 20 + 30);
	assert_int_equal(web->refused, 7);
	assert_int_equal(web->usable, 1);
	assert_int_equal(web->usable_hint, 2);
	assert_int_equal(web->backends, 3);
	assert_int_equal(f->view.services, 2);
	assert_int_equal(f->view.frontends, 2);
	assert_string_equal(f->view.node, "node-1");
}

static void test_believed_health(void **state)
{
	const struct fixture *f = *state;
	const struct status_backend *backends = f->view.backends.items;

	assert_int_equal(backends[0].health, SW_HEALTH_UP);
	/* Down, and whether it refuses is only known from the maps. */
	assert_int_equal(backends[1].health, SW_HEALTH_REFUSED);
	assert_false(backends[2].known);
	assert_int_equal(backends[2].health, SW_HEALTH_SUSPECT);
	assert_true(backends[2].terminating);
	assert_string_equal(backends[2].pod, "");
	assert_int_equal(status_view_count(&f->view, SW_HEALTH_UP), 1);
	assert_int_equal(status_view_count(&f->view, SW_HEALTH_DOWN), 0);
}

/* The caller frees it. */
static char *write_text(void (*write)(FILE *out, const struct status_view *view),
			const struct status_view *view)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	write(out, view);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void assert_line(const char *text, const char *line)
{
	const char *found = strstr(text, line);
	size_t len = strlen(line);

	if (!found || (found != text && found[-1] != '\n') || found[len] != '\n')
		fail_msg("no line \"%s\" in:\n%s", line, text);
}

static void test_metrics(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *text = write_text(status_metrics_write, &f->view);

	assert_line(text, "swerve_build_info{version=\"" SWERVE_VERSION "\",node=\"node-1\","
			  "abi=\"6\"} 1");
	assert_line(text, "swerve_uptime_seconds 60.000");
	assert_line(text, "# TYPE swerve_service_connects_total counter");
	assert_line(text, "swerve_service_connects_total{service=\"default/web:80/TCP\"} 1060");
	assert_line(text, "swerve_service_refused_total{service=\"default/empty:80/TCP\"} 3");
	assert_line(text, "swerve_service_endpoints{service=\"default/web:80/TCP\","
			  "state=\"usable\"} 1");
	assert_line(text, "swerve_service_endpoints{service=\"default/web:80/TCP\","
			  "state=\"ready\"} 2");
	assert_line(text, "swerve_backends{health=\"refused\"} 1");
	assert_line(text, "swerve_backends{health=\"down\"} 0");
	assert_line(text, "swerve_source_objects{kind=\"EndpointSlice\"} 0");
	assert_line(text, "swerve_map_entries{map=\"sw_slots\"} 0");
	assert_line(text, "swerve_map_entries{map=\"sw_sources\"} 7");
	assert_line(text, "swerve_map_max_entries{map=\"sw_services\"} 32767");
	assert_line(text, "swerve_probes_total 500");
	assert_line(text, "swerve_backends_ejected 1");
	assert_line(text, "swerve_backends_lowered 1");
	assert_line(text, "swerve_probe_failures_total 20");
	assert_line(text, "swerve_ready 0");
}

static void test_histogram_is_cumulative(void **state)
{
	struct fixture *f = *state;
	struct histogram programming = {.counts = {[0] = 2, [6] = 1}, .sum = 1500000};
	_cleanup_free_ char *text = NULL;

	histogram_add(&programming, 3600ULL * 1000000000ULL);
	f->view.programming = &programming;
	text = write_text(status_metrics_write, &f->view);
	assert_line(text, "swerve_programming_duration_seconds_bucket{le=\"1e-05\"} 2");
	assert_line(text, "swerve_programming_duration_seconds_bucket{le=\"0.0005\"} 2");
	assert_line(text, "swerve_programming_duration_seconds_bucket{le=\"0.001\"} 3");
	assert_line(text, "swerve_programming_duration_seconds_bucket{le=\"10\"} 3");
	assert_line(text, "swerve_programming_duration_seconds_bucket{le=\"+Inf\"} 4");
	assert_line(text, "swerve_programming_duration_seconds_sum 3600.001500000");
	assert_line(text, "swerve_programming_duration_seconds_count 4");
}

/* Every sample belongs to the metric whose HELP and TYPE come before it, and no metric comes twice. */
static void test_metrics_are_grouped(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *text = write_text(status_metrics_write, &f->view);
	char name[64] = "", key[80], seen[2048] = " ";
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, "# HELP ", 7)) {
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(line + 7, " "), line + 7);
			snprintf(key, sizeof(key), " %s ", name);
			assert_null(strstr(seen, key));
			snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s", key);
		} else if (!strncmp(line, "# TYPE ", 7)) {
			assert_memory_equal(line + 7, name, strlen(name));
		} else {
			assert_memory_equal(line, name, strlen(name));
			assert_non_null(memchr("{ ", line[strlen(name)], 2));
		}
	}
}

static void test_metrics_escape_labels(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;
	struct status_view view = f->view;

	view.node = "a\"b\\c\nd";
	text = write_text(status_metrics_write, &view);
	assert_non_null(strstr(text, "node=\"a\\\"b\\\\c\\nd\""));
}

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("%s in: %s", error.text, text);
	return root;
}

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

#define _cleanup_json_ _cleanup_(cleanup_json)

static void test_json_status(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *text = write_text(status_json_status, &f->view);
	_cleanup_json_ json_t *root = parse(text);
	const char *source;
	double uptime;
	int ports, up, synced;

	assert_int_equal(json_unpack(root, "{s:F, s:i, s:{s:i}, s:{s:s, s:b}}", "uptime_seconds",
				     &uptime, "service_ports", &ports, "backends_by_health", "up",
				     &up, "source", "text", &source, "synced", &synced),
			 0);
	assert_true(uptime == 60);
	assert_int_equal(ports, 2);
	assert_int_equal(up, 1);
	assert_false(synced);
	assert_string_equal(source, "file:/tmp/\xef\xbf\xbd.json");
}

static void test_json_services(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *text = write_text(status_json_services, &f->view);
	_cleanup_json_ json_t *root = parse(text);
	const json_t *array = json_object_get(root, "services");
	const char *name, *frontend;
	double last_used;
	json_t *never;
	int usable, connects;

	assert_int_equal(json_array_size(array), 2);
	assert_int_equal(json_unpack(json_array_get(array, 1), "{s:s, s:[s], s:i, s:i, s:F}",
				     "name", &name, "frontends", &frontend, "usable", &usable,
				     "connects", &connects, "last_used_seconds", &last_used),
			 0);
	assert_string_equal(name, "default/web:80/TCP");
	assert_string_equal(frontend, "10.96.0.10:80");
	assert_int_equal(usable, 1);
	assert_int_equal(connects, 1060);
	assert_true(last_used == 2);
	assert_int_equal(json_unpack(json_array_get(array, 0), "{s:[s], s:o}", "frontends",
				     &frontend, "last_used_seconds", &never),
			 0);
	assert_string_equal(frontend, "[fd00::1]:80");
	assert_true(json_is_null(never));
}

static void test_json_backends(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *text = write_text(status_json_backends, &f->view);
	_cleanup_json_ json_t *root = parse(text);
	const json_t *array = json_object_get(root, "backends");
	const char *address, *pod, *health, *detail;
	double latency;

	assert_int_equal(json_array_size(array), 3);
	assert_int_equal(json_unpack(json_array_get(array, 0), "{s:s, s:s, s:s, s:{s:s, s:F}}",
				     "address", &address, "pod", &pod, "health", &health, "probe",
				     "detail", &detail, "latency_seconds", &latency),
			 0);
	assert_string_equal(address, "10.244.0.1:8080");
	assert_string_equal(pod, "default/pod-\"1\"");
	assert_string_equal(health, "up");
	assert_string_equal(detail, "HTTP 200");
	assert_true(latency == 0.00035);
	assert_true(json_is_null(json_object_get(json_array_get(array, 2), "probe")));
	assert_true(json_is_true(json_object_get(json_array_get(array, 2), "terminating")));
}

static void test_json_string(void **state)
{
	static const struct {
		const char *text, *json;
	} rows[] = {
		{"", "\"\""},
		{"a\"\\/", "\"a\\\"\\\\/\""},
		{"\n\x1b", "\"\\u000a\\u001b\""},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		 "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{"\xff", "\"\\ufffd\""},
		{"\xc0\xaf", "\"\\ufffd\\ufffd\""},            /* overlong */
		{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""}, /* surrogate */
		{"\xe2\x82", "\"\\ufffd\\ufffd\""},            /* cut off */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		assert_non_null(out);
		json_text_string(out, rows[i].text);
		fclose(out);
		assert_string_equal(text, rows[i].json);
	}
}

/* The server, asked from a second thread. */

struct question {
	char url[128];
	size_t size_max;
	int err;
	struct http_fetched answer;
	int done; /* atomic */
};

static void *ask(void *arg)
{
	struct question *question = arg;
	const struct http_fetch fetch = {
		.url = question->url, .timeout = 20 * SEC, .size_max = question->size_max};

	question->err = http_fetch(&fetch, &question->answer);
	__atomic_store_n(&question->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void get(struct loop *loop, const struct status *status, const char *path, size_t size_max,
		struct question *ret)
{
	pthread_t thread;

	*ret = (struct question){.size_max = size_max};
	snprintf(ret->url, sizeof(ret->url), "http://127.0.0.1:%u%s", status_port(status), path);
	assert_int_equal(pthread_create(&thread, NULL, ask, ret), 0);
	while (!__atomic_load_n(&ret->done, __ATOMIC_ACQUIRE))
		assert_int_equal(loop_run_once(loop, SEC / 100), 0);
	pthread_join(thread, NULL);
}

static void assert_answer(struct loop *loop, const struct status *status, const char *path,
			  int code, const char *part)
{
	struct question question;

	get(loop, status, path, 1 << 20, &question);
	assert_int_equal(question.err, 0);
	assert_int_equal(question.answer.status, code);
	assert_int_equal(strlen(question.answer.body), question.answer.size);
	if (!strstr(question.answer.body, part))
		fail_msg("no \"%s\" in: %s", part, question.answer.body);
	free(question.answer.body);
}

static void cleanup_loop(struct loop **loop)
{
	loop_free(*loop);
}

static void cleanup_status(struct status **status)
{
	status_free(*status);
}

static void test_pages(void **state)
{
	const struct fixture *f = *state;
	_cleanup_(cleanup_loop) struct loop *loop = NULL;
	_cleanup_(cleanup_status) struct status *status = NULL;

	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(status_new(loop, "127.0.0.1:0", STATUS_ALL, &f->context, &status), 0);
	assert_answer(loop, status, "/livez", 200, "ok");
	assert_answer(loop, status, "/healthz", 503, "not delivered");
	progress.synced = true;
	assert_answer(loop, status, "/healthz", 503, "being applied");
	progress.applied = true;
	assert_answer(loop, status, "/healthz", 200, "\"ok\"");
	progress.away_since = 1;
	assert_answer(loop, status, "/healthz", 200, "\"source_away_seconds\":");
	assert_answer(loop, status, "/metrics", 200, "\nswerve_ready 1\n");
	assert_answer(loop, status, "/v1/status", 200, "\"applied\":true");
	assert_answer(loop, status, "/v1/services", 200, "default/web:80/TCP");
	assert_answer(loop, status, "/v1/backends", 200, "10.244.0.1:8080");
	assert_answer(loop, status, "/v1", 404, "/healthz");
	progress.eligible = false;
	assert_answer(loop, status, "/healthz", 503, "\"node_eligible\":false");
	assert_answer(loop, status, "/livez", 200, "ok");
}

/* Where anybody asks, nothing is told of Services, pods or clients. */
static void test_pages_of_a_health_address(void **state)
{
	static const char *const others[] = {"/metrics",     "/v1/status", "/v1/services",
					     "/v1/backends", "/v1/rescue", "/"};
	const struct fixture *f = *state;
	_cleanup_(cleanup_loop) struct loop *loop = NULL;
	_cleanup_(cleanup_status) struct status *status = NULL;

	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(status_new(loop, "127.0.0.1:0", STATUS_HEALTH, &f->context, &status), 0);
	assert_answer(loop, status, "/livez", 200, "ok");
	assert_answer(loop, status, "/healthz", 503, "not delivered");
	progress.applied = true;
	assert_answer(loop, status, "/healthz", 200, "\"ok\"");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_answer(loop, status, others[i], 404, "there are /livez and /healthz\n");
}

static void test_fetch_refuses_too_much(void **state)
{
	const struct fixture *f = *state;
	_cleanup_(cleanup_loop) struct loop *loop = NULL;
	_cleanup_(cleanup_status) struct status *status = NULL;
	struct question question;

	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(status_new(loop, "127.0.0.1:0", STATUS_ALL, &f->context, &status), 0);
	get(loop, status, "/metrics", 100, &question);
	assert_int_equal(question.err, -EFBIG);
	get(loop, status, "/livez", 3, &question);
	assert_int_equal(question.err, 0);
	assert_string_equal(question.answer.body, "ok\n");
	free(question.answer.body);
}

static void test_bad_address(void **state)
{
	const struct fixture *f = *state;
	_cleanup_(cleanup_loop) struct loop *loop = NULL;
	struct status *status = NULL;

	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(status_new(loop, "nonsense", STATUS_ALL, &f->context, &status), -EINVAL);
	assert_null(status);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_view),
		TEST(test_believed_health),
		TEST(test_metrics),
		TEST(test_histogram_is_cumulative),
		TEST(test_metrics_are_grouped),
		TEST(test_metrics_escape_labels),
		TEST(test_json_status),
		TEST(test_json_services),
		TEST(test_json_backends),
		cmocka_unit_test(test_json_string),
		TEST(test_pages),
		TEST(test_pages_of_a_health_address),
		TEST(test_fetch_refuses_too_much),
		TEST(test_bad_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the daemon writes and the maps hold to what is printed: the daemon's answers are made
 * by its own formatters, so that both programs agree on them.
 */
#include "ctl/ctl_view.h"

#include "base/cleanup.h"
#include "ctl/ctl_options.h"
#include "ctl/ctl_verbs.h"
#include "datapath/dp_table.h"
#include "status/status_json.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SEC 1000000000ULL
#define NOW (1000 * SEC)

/* Both sides of two services that agree; the tests then change one. */
struct fixture {
	struct dp_snapshot snapshot;
	struct status_view status;
	struct dp_frontends frontends[2];
	struct ctl_belief belief;
	struct ctl_view view;
};

static struct sw_frontend_key key_of(const char *text)
{
	struct sw_frontend_key key = {.port = 80, .proto = IPPROTO_TCP};
	struct addr addr;

	assert_int_equal(addr_from_str(text, &addr), 0);
	key.addr = dp_sw_addr(&addr);
	return key;
}

static struct dp_snapshot_service *add_kernel_service(struct fixture *f, const char *name,
						      const char *frontend)
{
	struct dp_snapshot_service service = {.proto = IPPROTO_TCP, .ready = 2, .usable_hint = 1};
	struct dp_frontend_entry entry = {.key = key_of(frontend)};

	snprintf(service.name, sizeof(service.name), "%s", name);
	assert_int_equal(vec_push(&service.frontends, entry), 0);
	assert_int_equal(vec_push(&f->snapshot.services, service), 0);
	return &f->snapshot.services.items[f->snapshot.services.len - 1];
}

static void add_kernel_backend(struct dp_snapshot_service *service, uint32_t index,
			       const char *text, enum sw_health health)
{
	struct dp_snapshot_backend backend = {.index = index,
					      .port = 8080,
					      .health = health,
					      .rank = health == SW_HEALTH_UP ? DP_RANK_USABLE
									     : DP_RANK_DOWN,
					      .changed = NOW - 5 * SEC,
					      .connects = 40 + index};

	assert_int_equal(addr_from_str(text, &backend.addr), 0);
	assert_int_equal(vec_push(&service->backends, backend), 0);
}

static void add_daemon_service(struct fixture *f, size_t i, const char *name, const char *frontend)
{
	struct dp_frontend entry = {.key = key_of(frontend)};
	struct status_port port = {.name = name,
				   .frontends = &f->frontends[i],
				   .proto = IPPROTO_TCP,
				   .usable = 1,
				   .usable_hint = 1,
				   .ready = 2,
				   .first_backend = f->status.backends.len};

	assert_int_equal(vec_push(&f->frontends[i], entry), 0);
	assert_int_equal(vec_push(&f->status.ports, port), 0);
}

static void add_daemon_backend(struct fixture *f, uint32_t index, const char *text,
			       enum sw_health health, const char *detail)
{
	struct status_backend backend = {
		.index = index,
		.port = 8080,
		.known = true,
		.health = health,
		.pod = "default/pod",
		.probe = {.state = health == SW_HEALTH_UP ? HEALTH_UP : HEALTH_DOWN,
			  .since = NOW - 9 * SEC,
			  .last_probe = NOW - SEC,
			  .latency = 350000,
			  .probes = 7,
			  .failures = 2}};

	snprintf(backend.probe.detail, sizeof(backend.probe.detail), "%s", detail);
	assert_int_equal(addr_from_str(text, &backend.addr), 0);
	assert_int_equal(vec_push(&f->status.backends, backend), 0);
	f->status.ports.items[f->status.ports.len - 1].backends++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct dp_snapshot_service *service;

	assert_non_null(f);
	f->snapshot.abi_version = SW_ABI_VERSION;
	f->snapshot.heartbeat = NOW - SEC;
	f->snapshot.trusted = true;
	service = add_kernel_service(f, "default/api:80/TCP", "10.96.0.1");
	add_kernel_backend(service, 4, "10.244.0.4", SW_HEALTH_UP);
	service = add_kernel_service(f, "default/web:80/TCP", "10.96.0.2");
	add_kernel_backend(service, 5, "10.244.0.5", SW_HEALTH_UP);
	add_kernel_backend(service, 6, "10.244.0.6", SW_HEALTH_DOWN);
	service->connects = 99;
	service->last_used = NOW - 3 * SEC;

	f->status.now = NOW;
	f->status.started = NOW - 60 * SEC;
	f->status.version = f->status.node = f->status.source = "x";
	f->status.progress = (struct status_progress){.synced = true, .applied = true};
	add_daemon_service(f, 0, "default/api:80/TCP", "10.96.0.1");
	add_daemon_backend(f, 4, "10.244.0.4", SW_HEALTH_UP, "connected");
	add_daemon_service(f, 1, "default/web:80/TCP", "10.96.0.2");
	add_daemon_backend(f, 5, "10.244.0.5", SW_HEALTH_UP, "HTTP 200");
	add_daemon_backend(f, 6, "10.244.0.6", SW_HEALTH_DOWN, "HTTP 500");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ctl_view_done(&f->view);
	ctl_belief_done(&f->belief);
	dp_snapshot_done(&f->snapshot);
	status_view_done(&f->status);
	for (size_t i = 0; i < ARRAY_SIZE(f->frontends); i++)
		vec_done(&f->frontends[i]);
	free(f);
	return 0;
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

static void ask_daemon(struct fixture *f)
{
	_cleanup_free_ char *status = write_text(status_json_status, &f->status);
	_cleanup_free_ char *services = write_text(status_json_services, &f->status);
	_cleanup_free_ char *backends = write_text(status_json_backends, &f->status);
	const struct belief_texts texts = {status, services, backends};
	char error[256] = "";

	if (ctl_belief_decode(&texts, &f->belief, error, sizeof(error)))
		fail_msg("%s", error);
}

static void join(struct fixture *f)
{
	ask_daemon(f);
	assert_int_equal(ctl_view_join(&f->snapshot, &f->belief, NOW, &f->view), 0);
}

/* The one difference that there is. */
static void assert_difference(const struct fixture *f, enum ctl_difference_kind kind,
			      const char *text)
{
	char buf[CTL_DIFFERENCE_SIZE];

	assert_int_equal(f->view.differences.len, 1);
	assert_string_equal(ctl_difference_to_str(&f->view.differences.items[0], buf), text);
	assert_int_equal(f->view.differences.items[0].kind, kind);
}

static void test_agreement(void **state)
{
	struct fixture *f = *state;
	const struct ctl_service *web;
	const struct ctl_backend *sick;

	f->snapshot.services.items[1].backends.items[1].lowered = true;
	join(f);
	assert_int_equal(f->view.differences.len, 0);
	assert_int_equal(f->view.services.len, 2);
	assert_int_equal(f->view.backends.len, 3);
	assert_int_equal(f->view.frontends, 2);
	assert_true(f->view.heartbeat == 1);
	web = &f->view.services.items[1];
	assert_string_equal(web->name, "default/web:80/TCP");
	assert_int_equal(web->usable, 1);
	assert_int_equal(web->connects, 99);
	assert_true(web->last_used == 3);
	sick = &f->view.backends.items[web->first_backend + 1];
	assert_true(sick->in_kernel && sick->in_daemon);
	assert_string_equal(sick->address, "10.244.0.6:8080");
	assert_string_equal(sick->pod, "default/pod");
	assert_string_equal(sick->detail, "HTTP 500");
	assert_string_equal(sick->state, "down");
	assert_int_equal(sick->rank, DP_RANK_DOWN);
	assert_int_equal(sick->connects, 46);
	assert_int_equal(sick->failures, 2);
	assert_true(sick->since == 5);
	assert_true(sick->ejected_for == 0);
	assert_true(sick->lowered);
}

static void test_health_differs(void **state)
{
	struct fixture *f = *state;

	f->snapshot.services.items[1].backends.items[1].health = SW_HEALTH_UP;
	join(f);
	assert_difference(f, DIFFERENCE_HEALTH,
			  "health of backend 10.244.0.6:8080 of \"default/web:80/TCP\": kernel up, "
			  "daemon down");
	assert_int_equal(f->view.services.items[0].differences, 0);
	assert_int_equal(f->view.services.items[1].differences, 1);
	assert_int_equal(f->view.backends.items[2].health, SW_HEALTH_UP);
}

static void test_endpoint_counts_differ(void **state)
{
	struct fixture *f = *state;

	f->snapshot.services.items[0].terminating = 3;
	join(f);
	assert_difference(f, DIFFERENCE_ENDPOINTS,
			  "endpoints of \"default/api:80/TCP\" (usable/ready/terminating): kernel "
			  "1/2/3, daemon 1/2/0");
}

static void test_service_only_in_daemon(void **state)
{
	struct fixture *f = *state;
	struct dp_snapshot_service *services = f->snapshot.services.items, last = services[0];

	/* The list stays in order: web, zzz. */
	snprintf(last.name, sizeof(last.name), "zzz/last:80/TCP");
	services[0] = services[1];
	services[1] = last;
	join(f);
	assert_int_equal(f->view.services.len, 3);
	assert_int_equal(f->view.differences.len, 2);
	assert_int_equal(f->view.differences.items[0].kind, DIFFERENCE_SERVICE_ONLY_IN_DAEMON);
	assert_string_equal(f->view.differences.items[0].service, "default/api:80/TCP");
	assert_int_equal(f->view.differences.items[1].kind, DIFFERENCE_SERVICE_ONLY_IN_KERNEL);
	assert_string_equal(f->view.differences.items[1].service, "zzz/last:80/TCP");
	/* Each still has its backend, from the side that has it. */
	assert_int_equal(f->view.services.items[0].backends, 1);
	assert_string_equal(f->view.backends.items[0].address, "10.244.0.4:8080");
	assert_int_equal(f->view.backends.items[0].rank, DP_RANK_ABSENT);
	assert_int_equal(f->view.services.items[2].backends, 1);
	assert_string_equal(f->view.backends.items[3].pod, "");
}

static void test_frontends_differ(void **state)
{
	struct fixture *f = *state;
	char buf[CTL_DIFFERENCE_SIZE];

	f->frontends[1].items[0].key = key_of("10.96.0.77");
	join(f);
	assert_int_equal(f->view.differences.len, 2);
	assert_string_equal(
		ctl_difference_to_str(&f->view.differences.items[0], buf),
		"frontend 10.96.0.2:80 of \"default/web:80/TCP\" is only in the kernel");
	assert_string_equal(
		ctl_difference_to_str(&f->view.differences.items[1], buf),
		"frontend 10.96.0.77:80 of \"default/web:80/TCP\" is only in the daemon");
	assert_int_equal(f->view.services.items[1].frontends.len, 2);
}

static void test_backends_differ(void **state)
{
	struct fixture *f = *state;
	char buf[CTL_DIFFERENCE_SIZE];

	/* The same element for another address is another backend. */
	f->status.backends.items[1].addr.bytes[15] = 99;
	join(f);
	assert_int_equal(f->view.differences.len, 2);
	assert_string_equal(
		ctl_difference_to_str(&f->view.differences.items[0], buf),
		"backend 10.244.0.5:8080 of \"default/web:80/TCP\" is only in the kernel");
	assert_string_equal(
		ctl_difference_to_str(&f->view.differences.items[1], buf),
		"backend 10.244.0.99:8080 of \"default/web:80/TCP\" is only in the daemon");
	assert_int_equal(f->view.services.items[1].backends, 3);
}

static void test_order_of_backends_is_no_difference(void **state)
{
	struct fixture *f = *state;
	struct status_backend first = f->status.backends.items[1];

	f->status.backends.items[1] = f->status.backends.items[2];
	f->status.backends.items[2] = first;
	join(f);
	assert_int_equal(f->view.differences.len, 0);
	assert_string_equal(f->view.backends.items[1].detail, "HTTP 200");
}

static void test_slots(void **state)
{
	struct fixture *f = *state;

	f->snapshot.services.items[1].gaps = 2;
	join(f);
	assert_difference(f, DIFFERENCE_SLOTS, "maps of \"default/web:80/TCP\": 2 empty slot(s)");
}

static void test_only_kernel(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ctl_view_join(&f->snapshot, NULL, NOW, &f->view), 0);
	assert_int_equal(f->view.differences.len, 0);
	assert_int_equal(f->view.services.len, 2);
	assert_string_equal(f->view.backends.items[0].detail, "");
	assert_true(f->view.backends.items[0].latency < 0);
}

static void test_only_daemon(void **state)
{
	struct fixture *f = *state;

	ask_daemon(f);
	assert_int_equal(ctl_view_join(NULL, &f->belief, NOW, &f->view), 0);
	assert_int_equal(f->view.differences.len, 0);
	assert_int_equal(f->view.services.items[1].usable, 1);
	assert_int_equal(f->view.services.items[1].proto, IPPROTO_TCP);
	assert_int_equal(f->view.backends.items[2].health, SW_HEALTH_DOWN);
	assert_true(f->view.backends.items[2].since == 9);
	assert_true(f->view.heartbeat < 0);
}

/* What is printed. The caller frees it. */
static char *print(const struct fixture *f,
		   int (*verb)(const struct ctl_view *, const struct ctl_options *, FILE *),
		   enum ctl_format format, const char *filter)
{
	const struct ctl_options options = {.format = format, .filter = filter};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(verb(&f->view, &options, out), 0);
	fclose(out);
	return text;
}

static void test_services_table(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;

	join(f);
	text = print(f, ctl_services, CTL_TABLE, NULL);
	assert_string_equal(
		text,
		"SERVICE              FRONTENDS      ENDPOINTS   CONNECTS   REFUSED   LAST USED\n"
		"default/api:80/TCP   10.96.0.1:80   1/2/0       0          0         never\n"
		"default/web:80/TCP   10.96.0.2:80   1/2/0       99         0         3.0s ago\n");
}

static void test_services_wide(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;

	f->snapshot.services.items[1].gaps = 1;
	join(f);
	text = print(f, ctl_services, CTL_WIDE, "web");
	assert_null(strstr(text, "default/api"));
	assert_non_null(strstr(text, "LAST USED   HEALTH        BACKENDS   DIFFERS\n"));
	assert_non_null(strstr(text, "3.0s ago    up:1,down:1   2          slots\n"));
}

static void test_backends_table(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;

	join(f);
	text = print(f, ctl_backends, CTL_TABLE, "10.244.0.6");
	assert_string_equal(text,
			    "SERVICE              ADDRESS           POD           HEALTH   RANK   "
			    "REASON     SINCE   CONNECTS   LATENCY\n"
			    "default/web:80/TCP   10.244.0.6:8080   default/pod   down     down   "
			    "HTTP 500   5.0s    46         0.35ms\n");
}

static void test_backends_say_where_they_differ(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;

	f->snapshot.services.items[1].backends.items[1].health = SW_HEALTH_UP;
	join(f);
	text = print(f, ctl_backends, CTL_WIDE, NULL);
	assert_non_null(strstr(text, "DIFFERS\n"));
	assert_non_null(strstr(text, "daemon: down\n"));
}

static json_t *print_json(const struct fixture *f,
			  int (*verb)(const struct ctl_view *, const struct ctl_options *, FILE *),
			  const char *filter)
{
	_cleanup_free_ char *text = print(f, verb, CTL_JSON, filter);
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

static void test_services_json(void **state)
{
	struct fixture *f = *state;
	_cleanup_json_ json_t *root = NULL;
	const char *name, *address;
	int daemon, kernel, stale, usable, down;
	double last_used;

	join(f);
	root = print_json(f, ctl_services, "web");
	assert_int_equal(
		json_unpack(root, "{s:b, s:b, s:b, s:[{s:s, s:[{s:s}], s:i, s:F, s:{s:i}}!]}",
			    "daemon", &daemon, "kernel", &kernel, "stale", &stale, "services",
			    "name", &name, "frontends", "address", &address, "usable", &usable,
			    "last_used_seconds", &last_used, "health", "down", &down),
		0);
	assert_true(daemon && kernel && !stale);
	assert_string_equal(name, "default/web:80/TCP");
	assert_string_equal(address, "10.96.0.2:80");
	assert_int_equal(usable, 1);
	assert_int_equal(down, 1);
	assert_true(last_used == 3);
}

static void test_backends_json(void **state)
{
	struct fixture *f = *state;
	_cleanup_json_ json_t *root = NULL;
	const char *service, *rank, *detail, *kind;
	int failures;

	f->snapshot.services.items[1].backends.items[1].health = SW_HEALTH_UP;
	join(f);
	root = print_json(f, ctl_backends, "*.6:8080");
	assert_int_equal(json_unpack(root, "{s:[{s:s, s:s, s:{s:s, s:i}, s:[{s:s}!]}!]}",
				     "backends", "service", &service, "rank", &rank, "probe",
				     "detail", &detail, "failures", &failures, "differences",
				     "kind", &kind),
			 0);
	assert_string_equal(service, "default/web:80/TCP");
	assert_string_equal(rank, "down");
	assert_string_equal(detail, "HTTP 500");
	assert_int_equal(failures, 2);
	assert_string_equal(kind, "health");
}

static void test_backends_json_without_daemon(void **state)
{
	struct fixture *f = *state;
	_cleanup_json_ json_t *root = NULL;
	json_t *probe;

	assert_int_equal(ctl_view_join(&f->snapshot, NULL, NOW, &f->view), 0);
	root = print_json(f, ctl_backends, "api");
	assert_int_equal(json_unpack(root, "{s:[{s:o}!]}", "backends", "probe", &probe), 0);
	assert_true(json_is_null(probe));
}

static void test_status_table(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;

	f->snapshot.trusted = false;
	f->snapshot.services.items[0].terminating = 3;
	join(f);
	text = print(f, ctl_status, CTL_TABLE, NULL);
	assert_non_null(strstr(text, "daemon          running for 60s"));
	assert_non_null(strstr(text, "1.0s ago, stale: the kernel ignores health\n"));
	assert_non_null(
		strstr(text, "backends        3: 2 up, 0 unknown, 0 suspect, 1 down, 0 ref"));
	assert_non_null(strstr(text, "differences     1\n"));
	assert_non_null(strstr(text, "kernel 1/2/3, daemon 1/2/0\n"));
}

static void test_status_json(void **state)
{
	struct fixture *f = *state;
	_cleanup_json_ json_t *root = NULL;
	int ports, abi, applied;
	double heartbeat, uptime;
	const char *text;

	f->snapshot.services.items[0].terminating = 3;
	join(f);
	root = print_json(f, ctl_status, NULL);
	assert_int_equal(json_unpack(root, "{s:{s:b, s:F}, s:{s:i, s:F}, s:i, s:[{s:s}!]}",
				     "daemon_status", "applied", &applied, "uptime_seconds",
				     &uptime, "kernel_status", "abi_version", &abi,
				     "heartbeat_seconds", &heartbeat, "service_ports", &ports,
				     "differences", "text", &text),
			 0);
	assert_true(applied);
	assert_true(uptime == 60);
	assert_int_equal(abi, SW_ABI_VERSION);
	assert_true(heartbeat == 1);
	assert_int_equal(ports, 2);
	assert_non_null(strstr(text, "default/api:80/TCP"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_agreement),
		TEST(test_health_differs),
		TEST(test_endpoint_counts_differ),
		TEST(test_service_only_in_daemon),
		TEST(test_frontends_differ),
		TEST(test_backends_differ),
		TEST(test_order_of_backends_is_no_difference),
		TEST(test_slots),
		TEST(test_only_kernel),
		TEST(test_only_daemon),
		TEST(test_services_table),
		TEST(test_services_wide),
		TEST(test_backends_table),
		TEST(test_backends_say_where_they_differ),
		TEST(test_services_json),
		TEST(test_backends_json),
		TEST(test_backends_json_without_daemon),
		TEST(test_status_table),
		TEST(test_status_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

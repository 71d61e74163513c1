/* SPDX-License-Identifier: Apache-2.0 */
/* The source against an API server of the test's own: what it asks for, and what it reports. */
#include "unit/kube_bench.h"

static void test_lists_then_watches(void **state)
{
	struct bench *bench = *state;

	start(bench);
	run_until_watching(bench);
	assert_true(log_has(bench, "put Service a;"));
	assert_true(log_has(bench, "put EndpointSlice a-x;"));
	assert_true(log_has(bench, "put Node node-1;"));
	assert_non_null(strstr(services(bench)->request, "resourceVersion=10"));
	assert_non_null(strstr(services(bench)->request, "allowWatchBookmarks=true"));
	assert_non_null(strstr(services(bench)->request,
			       "labelSelector=%21service.kubernetes.io%2Fheadless%2C%21service."
			       "kubernetes.io%2Fservice-proxy-name "));
	/* All of them: NodePorts are reached at their addresses. */
	assert_null(strstr(resource(bench, OBJECT_NODE)->request, "Selector="));
	assert_int_equal(kube_source_away_since(bench->source), 0);
}

static void test_events_of_a_watch(void **state)
{
	struct bench *bench = *state;

	start_watching(bench);
	api_push(&bench->api, OBJECT_SERVICE, EVENT("ADDED", SERVICE("b", "11", "80")));
	run_until(bench, log_has(bench, "put Service b;synced;"));
	api_push(&bench->api, OBJECT_SERVICE, EVENT("MODIFIED", SERVICE("b", "12", "81")));
	run_until(bench, log_has(bench, "put Service b;synced;put Service b;synced;"));
	api_push(&bench->api, OBJECT_SERVICE, EVENT("DELETED", SERVICE("a", "13", "80")));
	run_until(bench, log_has(bench, "remove Service a;synced;"));
	/* Once more: it is gone already. */
	clear_log(bench);
	api_push(&bench->api, OBJECT_SERVICE, EVENT("DELETED", SERVICE("a", "14", "80")));
	api_push(&bench->api, OBJECT_SERVICE, EVENT("MODIFIED", SERVICE("b", "15", "82")));
	run_until(bench, log_has(bench, "synced;"));
	assert_string_equal(bench->log, "put Service b;synced;");
}

static void test_pages(void **state)
{
	struct bench *bench = *state;
	static const char first[] =
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"5\r\n{\"met\r\n3b\r\nadata\":{\"resourceVersion\":\"8\",\"continue\":\"t+1\"},"
		"\"items\":[]}\r\n0\r\n\r\n";

	services(bench)->list_answers[0] = first;
	start(bench);
	run_until_watching(bench);
	assert_int_equal(services(bench)->lists, 2);
	/* The version of the first page. */
	assert_non_null(strstr(services(bench)->request, "resourceVersion=8&"));
	assert_true(log_has(bench, "put Service a;"));
}

static void test_continue_token_is_sent(void **state)
{
	struct bench *bench = *state;

	services(bench)->list_answers[0] =
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		"{\"metadata\":{\"resourceVersion\":\"8\",\"continue\":\"t+1/=\"},\"items\":null}CUT";
	services(bench)->list_answers[1] =
		"HTTP/1.1 410 Gone\r\nConnection: close\r\n\r\n"
		"{\"kind\":\"Status\",\"metadata\":{\"continue\":\"fresh\"},\"reason\":\"Expired\"}CUT";
	start(bench);
	run_until(bench, services(bench)->lists == 2);
	assert_non_null(strstr(services(bench)->request, "continue=t%2B1%2F%3D&"));
	run_until(bench, services(bench)->lists == 3);
	assert_non_null(strstr(services(bench)->request, "continue=fresh&"));
	run_until(bench, services(bench)->watch);
	assert_int_equal(services(bench)->lists, 3);
}

static void test_resumes_after_a_cut(void **state)
{
	struct bench *bench = *state;

	start_watching(bench);
	api_push(&bench->api, OBJECT_SERVICE, BOOKMARK("77"));
	run_for(bench, 20 * NSEC_PER_MSEC);
	api_conn_close(services(bench)->watch);
	run_until(bench, services(bench)->watch);
	assert_non_null(strstr(services(bench)->request, "resourceVersion=77&"));
	assert_int_equal(services(bench)->lists, 1);
	fflush(bench->out);
	assert_string_equal(bench->log, "");
	assert_int_equal(kube_source_away_since(bench->source), 0);
}

/* The half of an event is none. */
static void test_cut_in_an_event(void **state)
{
	static const char line[] = EVENT("ADDED", SERVICE("b", "11", "80")) "\n";
	struct bench *bench = *state;

	start_watching(bench);
	api_send_text(services(bench)->watch, "%zx\r\n%.40s", sizeof(line) - 1, line);
	run_for(bench, 20 * NSEC_PER_MSEC);
	api_conn_close(services(bench)->watch);
	run_until(bench, services(bench)->watch);
	assert_non_null(strstr(services(bench)->request, "resourceVersion=10&"));
	api_send_text(services(bench)->watch, "%zx\r\n%.40s", sizeof(line) - 1, line);
	run_for(bench, 20 * NSEC_PER_MSEC);
	api_send_text(services(bench)->watch, "%s\r\n", line + 40);
	run_until(bench, log_has(bench, "put Service b;synced;"));
}

/* How often "synced" comes in between depends on the pieces in which a list arrives. */
static void assert_changes(const struct bench *bench, const char *expected)
{
	static const char synced[] = "synced;";
	char changes[256], *at;

	assert_in_range(snprintf(changes, sizeof(changes), "%s", bench->log), 0,
			sizeof(changes) - 1);
	while ((at = strstr(changes, synced)))
		memmove(at, at + strlen(synced), strlen(at + strlen(synced)) + 1);
	assert_string_equal(changes, expected);
}

static void test_expired_watch_reports_only_differences(void **state)
{
	struct bench *bench = *state;

	services(bench)->items =
		SERVICE("a", "1", "80") "," SERVICE("b", "2", "80") "," SERVICE("c", "3", "80");
	start_watching(bench);
	/* The same object from a watch has kind and apiVersion. */
	api_push(&bench->api, OBJECT_SERVICE,
		 EVENT("ADDED",
		       "{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":"
		       "\"d\",\"namespace\":\"default\",\"resourceVersion\":\"11\"},"
		       "\"spec\":{}}"));
	run_until(bench, log_has(bench, "put Service d;synced;"));
	clear_log(bench);
	services(bench)->items = SERVICE("a", "1", "80") "," SERVICE(
		"c", "12", "81") ",{\"metadata\":{\"name\":\"d\",\"namespace\":\"default\","
				 "\"resourceVersion\":\"11\"},\"spec\":{}}";
	api_push(&bench->api, OBJECT_SERVICE, EXPIRED);
	run_until(bench, services(bench)->lists == 2 && services(bench)->watch);
	run_until(bench, log_has(bench, "remove Service b;synced;"));
	assert_changes(bench, "put Service c;remove Service b;");
	assert_int_equal(kube_source_away_since(bench->source), 0);
}

static void test_retry_after(void **state)
{
	struct bench *bench = *state;
	uint64_t first;

	services(bench)->list_answers[0] =
		"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nlate";
	start(bench);
	run_until(bench, services(bench)->lists == 1);
	first = services(bench)->last;
	run_until(bench, services(bench)->lists == 2);
	assert_true(services(bench)->last - first >= NSEC_PER_SEC);
	run_until_watching(bench);
}

static void test_new_token_after_401(void **state)
{
	struct bench *bench = *state;
	char url[64];
	struct kube_credentials_config who = {
		.api_server = url, .host = "10.96.0.1", .directory = bench->directory};
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/ca.crt", bench->directory);
	file = fopen(path, "we");
	assert_non_null(file);
	fclose(file);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", bench->api.port);
	write_token(bench, "old");
	bench->api.token = "new";
	start_with(bench, &who, KUBE_ENDPOINTS_AUTO, NULL);
	run_until(bench, services(bench)->lists == 2);
	assert_non_null(strstr(services(bench)->request, "Authorization: Bearer old\r\n"));
	assert_int_not_equal(kube_source_away_since(bench->source), 0);
	write_token(bench, "new");
	run_until_watching(bench);
	assert_non_null(strstr(services(bench)->request, "Authorization: Bearer new\r\n"));
	assert_int_equal(kube_source_away_since(bench->source), 0);
}

/* Endpoints instead of EndpointSlices. */
static void run_until_endpoints(struct bench *bench)
{
	run_until(bench, log_has(bench, "synced") && resource(bench, OBJECT_ENDPOINTS)->watch);
	assert_true(log_has(bench, "put Endpoints a;"));
	assert_null(resource(bench, OBJECT_SLICE)->watch);
}

static void test_no_slices_404(void **state)
{
	struct bench *bench = *state;

	resource(bench, OBJECT_SLICE)->items = NULL;
	resource(bench, OBJECT_ENDPOINTS)->items = ENDPOINTS("a", "2");
	start(bench);
	run_until_endpoints(bench);
	assert_int_equal(resource(bench, OBJECT_SLICE)->lists, 1);
	assert_int_equal(kube_source_away_since(bench->source), 0);
}

#define FORBIDDEN "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"

static void test_no_slices_403(void **state)
{
	struct bench *bench = *state;

	for (size_t i = 0; i < API_ANSWERS; i++)
		resource(bench, OBJECT_SLICE)->list_answers[i] = FORBIDDEN;
	resource(bench, OBJECT_ENDPOINTS)->items = ENDPOINTS("a", "2");
	start(bench);
	run_until_endpoints(bench);
}

/* A server that has just been started forbids everything. */
static void test_all_forbidden_at_first(void **state)
{
	struct bench *bench = *state;

	resource(bench, OBJECT_SLICE)->list_answers[0] = FORBIDDEN;
	resource(bench, OBJECT_NODE)->list_answers[0] = FORBIDDEN;
	services(bench)->list_answers[0] = FORBIDDEN;
	services(bench)->list_answers[1] = FORBIDDEN;
	start(bench);
	run_until(bench, services(bench)->lists == 1);
	run_until_watching(bench);
	assert_int_equal(resource(bench, OBJECT_ENDPOINTS)->lists, 0);
	assert_int_equal(kube_source_away_since(bench->source), 0);
}

static void test_slices_are_demanded(void **state)
{
	struct bench *bench = *state;

	resource(bench, OBJECT_SLICE)->items = NULL;
	start_api(bench, KUBE_ENDPOINTS_SLICES, NULL);
	run_until(bench, resource(bench, OBJECT_SLICE)->lists == 3);
	assert_int_equal(resource(bench, OBJECT_ENDPOINTS)->lists, 0);
	assert_int_not_equal(kube_source_away_since(bench->source), 0);
	assert_false(log_has(bench, "synced"));
}

static void test_endpoints_are_demanded(void **state)
{
	struct bench *bench = *state;

	resource(bench, OBJECT_ENDPOINTS)->items = ENDPOINTS("a", "2");
	start_api(bench, KUBE_ENDPOINTS_ENDPOINTS, NULL);
	run_until_endpoints(bench);
	assert_int_equal(resource(bench, OBJECT_SLICE)->lists, 0);
}

static void test_nodes_forbidden(void **state)
{
	struct bench *bench = *state;

	for (size_t i = 0; i < API_ANSWERS; i++)
		resource(bench, OBJECT_NODE)->list_answers[i] = FORBIDDEN;
	start(bench);
	run_until(bench, log_has(bench, "synced") && resource(bench, OBJECT_NODE)->lists >= 2);
	assert_int_equal(kube_source_away_since(bench->source), 0);
}

static void test_proxy_name(void **state)
{
	struct bench *bench = *state;

	services(bench)->items =
		"{\"metadata\":{\"name\":\"mine\",\"namespace\":\"default\",\"labels\":{\"service."
		"kubernetes.io/service-proxy-name\":\"me\"}},\"spec\":{}}," SERVICE("a", "1", "80");
	start_api(bench, KUBE_ENDPOINTS_AUTO, "me");
	run_until_watching(bench);
	assert_non_null(strstr(services(bench)->request, "service-proxy-name%3Dme "));
	assert_true(log_has(bench, "put Service mine;"));
	assert_false(log_has(bench, "put Service a;"));
}

static void test_server_away_and_back(void **state)
{
	struct bench *bench = *state;

	start_watching(bench);
	api_close(&bench->api);
	run_until(bench, kube_source_away_since(bench->source));
	run_for(bench, 300 * NSEC_PER_MSEC);
	fflush(bench->out);
	assert_string_equal(bench->log, "");
	api_open(&bench->api);
	run_until(bench, services(bench)->watch && resource(bench, OBJECT_SLICE)->watch);
	run_until(bench, !kube_source_away_since(bench->source));
	fflush(bench->out);
	assert_string_equal(bench->log, "");
	api_push(&bench->api, OBJECT_SERVICE, EVENT("ADDED", SERVICE("b", "11", "80")));
	run_until(bench, log_has(bench, "put Service b;synced;"));
}

/* A restored backup: versions are lower, and what was made since is not there. */
static void test_server_back_on_an_older_state(void **state)
{
	struct bench *bench = *state;

	start_watching(bench);
	api_push(&bench->api, OBJECT_SERVICE, EVENT("ADDED", SERVICE("b", "11", "80")));
	run_until(bench, log_has(bench, "put Service b;synced;"));
	clear_log(bench);
	api_close(&bench->api);
	run_until(bench, kube_source_away_since(bench->source));
	run_for(bench, 300 * NSEC_PER_MSEC); /* each resource has tried */
	api_open(&bench->api);
	run_until(bench, log_has(bench, "remove Service b;synced;"));
	assert_string_equal(bench->log, "remove Service b;synced;");
	run_until(bench, services(bench)->watch);
	assert_non_null(strstr(services(bench)->request, "resourceVersion=10&"));
}

static void test_server_away_at_first(void **state)
{
	struct bench *bench = *state;

	api_close(&bench->api);
	start(bench);
	run_until(bench, kube_source_away_since(bench->source));
	api_open(&bench->api);
	run_until_watching(bench);
	run_until(bench, !kube_source_away_since(bench->source));
}

/* The list is cut off: what was not in the part that came is not gone. */
static void test_list_cut_off(void **state)
{
	struct bench *bench = *state;

	services(bench)->items = SERVICE("a", "1", "80") "," SERVICE("b", "2", "80");
	services(bench)->list_answers[1] =
		"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
		"{\"metadata\":{\"resourceVersion\":\"20\"},\"items\":[" SERVICE("a", "1",
										 "80") "CUT";
	start_watching(bench);
	api_push(&bench->api, OBJECT_SERVICE, EXPIRED);
	run_until(bench, services(bench)->lists == 3 && services(bench)->watch);
	fflush(bench->out);
	assert_string_equal(bench->log, "");
}

static void test_garbage_in_a_watch(void **state)
{
	static const char *const lines[] = {
		"<html>",
		"{}",
		"{\"type\":\"ADDED\"}",
		"{\"type\":\"SOMETHING\",\"object\":{}}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"x\"}}}",
		"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":500}}",
	};
	struct bench *bench = *state;

	start_watching(bench);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		api_push(&bench->api, OBJECT_SERVICE, BOOKMARK("50"));
		api_push(&bench->api, OBJECT_SERVICE, lines[i]);
		run_until(bench, services(bench)->watches == i + 2 && services(bench)->watch);
		assert_non_null(strstr(services(bench)->request, "resourceVersion=50&"));
	}
	assert_int_equal(services(bench)->lists, 1);
	fflush(bench->out);
	assert_string_equal(bench->log, "");
}

static void test_garbage_as_a_list(void **state)
{
	struct bench *bench = *state;

	services(bench)->list_answers[0] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>";
	services(bench)->list_answers[1] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
	services(bench)->list_answers[2] =
		"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"items\":[3]";
	services(bench)->list_answers[3] = "no HTTP at all CUT";
	services(bench)->list_answers[4] = "CUT";
	start(bench);
	run_until_watching(bench);
	assert_int_equal(services(bench)->lists, 6);
}

/* An object that does not decode keeps its last good state, in a watch and in a list. */
static void test_object_with_a_problem(void **state)
{
	struct bench *bench = *state;

	start_watching(bench);
	api_push(&bench->api, OBJECT_SERVICE, EVENT("MODIFIED", SERVICE("a", "11", "\"x\"")));
	api_push(&bench->api, OBJECT_SERVICE, EVENT("MODIFIED", SERVICE("a", "12", "\"x\"")));
	services(bench)->items = SERVICE("a", "12", "\"x\"");
	api_push(&bench->api, OBJECT_SERVICE, EXPIRED);
	run_until(bench, services(bench)->lists == 2 && services(bench)->watch);
	fflush(bench->out);
	assert_string_equal(bench->log, "");
	api_push(&bench->api, OBJECT_SERVICE, EVENT("MODIFIED", SERVICE("a", "13", "81")));
	run_until(bench, log_has(bench, "put Service a;synced;"));
}

/* An object that is no longer for us is gone. */
static void test_object_of_another_proxy(void **state)
{
	struct bench *bench = *state;

	start_watching(bench);
	api_push(&bench->api, OBJECT_SERVICE,
		 EVENT("MODIFIED", "{\"metadata\":{\"name\":\"a\",\"namespace\":\"default\","
				   "\"resourceVersion\":\"11\",\"labels\":{\"service.kubernetes.io/"
				   "headless\":\"\"}},\"spec\":{}}"));
	run_until(bench, log_has(bench, "remove Service a;synced;"));
}

static void test_end_amid_everything(void **state)
{
	struct bench *bench = *state;

	start(bench);
	kube_source_free(bench->source);
	bench->source = NULL;
	run_for(bench, 20 * NSEC_PER_MSEC);
	start_watching(bench);
	api_push(&bench->api, OBJECT_SERVICE, EVENT("ADDED", SERVICE("b", "11", "80")));
	kube_source_free(bench->source);
	bench->source = NULL;
	fflush(bench->out);
	assert_string_equal(bench->log, "");
}

#define KUBE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KUBE_TEST(test_lists_then_watches),
		KUBE_TEST(test_events_of_a_watch),
		KUBE_TEST(test_pages),
		KUBE_TEST(test_continue_token_is_sent),
		KUBE_TEST(test_resumes_after_a_cut),
		KUBE_TEST(test_cut_in_an_event),
		KUBE_TEST(test_expired_watch_reports_only_differences),
		KUBE_TEST(test_retry_after),
		KUBE_TEST(test_new_token_after_401),
		KUBE_TEST(test_no_slices_404),
		KUBE_TEST(test_no_slices_403),
		KUBE_TEST(test_all_forbidden_at_first),
		KUBE_TEST(test_slices_are_demanded),
		KUBE_TEST(test_endpoints_are_demanded),
		KUBE_TEST(test_nodes_forbidden),
		KUBE_TEST(test_proxy_name),
		KUBE_TEST(test_server_away_and_back),
		KUBE_TEST(test_server_back_on_an_older_state),
		KUBE_TEST(test_server_away_at_first),
		KUBE_TEST(test_list_cut_off),
		KUBE_TEST(test_garbage_in_a_watch),
		KUBE_TEST(test_garbage_as_a_list),
		KUBE_TEST(test_object_with_a_problem),
		KUBE_TEST(test_object_of_another_proxy),
		KUBE_TEST(test_end_amid_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

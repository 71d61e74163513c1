/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real probes of real sockets on the real loop. Servers run on the same loop, in this process;
 * what is asserted is the order of states, never a time.
 */
#include "health/health.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "loop/loop.h"
#include "net/http_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "unit/health_fixture.h"

static void test_tcp_falls_and_comes_back(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_TCP);
	struct fixture *f = *arg;
	struct health_view view;

	server_open(&f->server, 200);
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_UP, VERDICT_OK, "connected");
	run_for_probes(f, 3);
	server_close(&f->server);
	expect_change(f, HEALTH_UP, HEALTH_SUSPECT, VERDICT_REFUSED, "connection refused");
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_REFUSED, "connection refused");
	run_for_probes(f, 1);
	server_open(&f->server, 200);
	expect_change(f, HEALTH_DOWN, HEALTH_RECOVERING, VERDICT_OK, "connected");
	expect_change(f, HEALTH_RECOVERING, HEALTH_UP, VERDICT_OK, "connected");
	run_for_probes(f, 2);
	expect_no_more(f);
	view = view_of(f);
	assert_int_equal(view.state, HEALTH_UP);
	assert_in_range(view.failures, 3, view.probes);
	assert_int_equal(view.discarded, 0);
	assert_int_equal(f->server.requests, 0);
	health_remove(f->health, ID);
	assert_int_equal(health_totals(f->health).probes, view.probes);
}

/* It learns of a connection only when this process was too slow to end it first. */
static void test_tcp_does_not_disturb_the_server(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_TCP);
	struct fixture *f = *arg;

	server_open(&f->server, 200);
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_UP, VERDICT_OK, "connected");
	run_for_probes(f, 20);
	expect_no_more(f);
	/* Every tenth is a whole one. */
	assert_in_range(f->server.accepted, 1, 10);
}

/*
 * Bound, not listening: refused, and nobody else can take the port. The back-off may be asserted,
 * as a slow machine only makes fewer probes: they are due 250, 750 and 1750 ms after the fall.
 */
static void test_tcp_refused_from_the_start(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_TCP);
	struct fixture *f = *arg;
	uint64_t end;

	assert_true(server_bind(&f->server, "127.0.0.1"));
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_SUSPECT, VERDICT_REFUSED, "connection refused");
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_REFUSED, "connection refused");
	end = clock_now() + 1100 * NSEC_PER_MSEC;
	run_until(f, clock_now() > end);
	assert_in_range(view_of(f).probes, 2, 4);
	server_listen(&f->server);
	expect_change(f, HEALTH_DOWN, HEALTH_RECOVERING, VERDICT_OK, "connected");
	expect_change(f, HEALTH_RECOVERING, HEALTH_UP, VERDICT_OK, "connected");
}

/* Whether the clients' port lets a connection in, whatever port is probed. */
static void test_who_admits(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_TCP);
	struct fixture *f = *arg;
	uint64_t since;

	server_open(&f->server, 200);
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_UP, VERDICT_OK, "connected");
	since = clock_now();
	assert_int_equal(health_admits(f->health, ID, since), -EAGAIN);
	run_until(f, health_admits(f->health, ID, since) != -EAGAIN);
	assert_int_equal(health_admits(f->health, ID, since), 1);
	spec.port = 1;
	assert_int_equal(health_set_spec(f->health, ID, &spec), 0);
	since++;
	run_until(f, health_admits(f->health, ID, since) != -EAGAIN);
	assert_int_equal(health_admits(f->health, ID, since), 1);
	server_close(&f->server);
	assert_int_equal(health_admits(f->health, ID, since), 1);
	since++;
	run_until(f, health_admits(f->health, ID, since) != -EAGAIN);
	assert_int_equal(health_admits(f->health, ID, since), 0);
	assert_int_equal(health_admits(f->health, ID + 1, since), -ENOENT);
	spec.kind = PROBE_NONE;
	assert_int_equal(health_set_spec(f->health, ID, &spec), 0);
	assert_int_equal(health_admits(f->health, ID, since + 1), -ENOENT);
}

static void test_tcp_ipv6(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_TCP);
	struct fixture *f = *arg;

	if (!server_bind(&f->server, "::1"))
		skip();
	server_listen(&f->server);
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_UP, VERDICT_OK, "connected");
}

/* The accept queue is full, so SYNs are dropped. */
static void test_tcp_time_out(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_TCP);
	struct fixture *f = *arg;
	struct sockaddr_storage sa;
	socklen_t len;
	int fill[4];

	assert_true(server_bind(&f->server, "127.0.0.1"));
	assert_int_equal(listen(f->server.io.fd, 0), 0);
	len = addr_to_sockaddr(&f->server.addr, f->server.port, &sa);
	for (size_t i = 0; i < ARRAY_SIZE(fill); i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fill[i], (struct sockaddr *)&sa, len);
	}
	spec.timeout = 30 * NSEC_PER_MSEC;
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_SUSPECT, VERDICT_AMBIGUOUS, "time-out after ");
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_AMBIGUOUS, "time-out after ");
	assert_int_equal(view_of(f).failures, 3);
	for (size_t i = 0; i < ARRAY_SIZE(fill); i++)
		close(fill[i]);
}

static void test_http_falls_and_comes_back(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;

	server_open(&f->server, 200);
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_UP, VERDICT_OK, "HTTP 200");
	f->server.status = 500;
	expect_change(f, HEALTH_UP, HEALTH_SUSPECT, VERDICT_ERROR, "HTTP 500");
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_ERROR, "HTTP 500");
	f->server.status = 302;
	expect_change(f, HEALTH_DOWN, HEALTH_RECOVERING, VERDICT_OK, "HTTP 302");
	expect_change(f, HEALTH_RECOVERING, HEALTH_UP, VERDICT_OK, "HTTP 302");
	f->server.status = 404;
	expect_change(f, HEALTH_UP, HEALTH_SUSPECT, VERDICT_ERROR, "HTTP 404");
	f->server.status = 200;
	/* The confirmation may have been under way. */
	run_until(f, view_of(f).state == HEALTH_UP);
}

static void test_http_relapse_while_recovering(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;

	spec.rise = 10;
	spec.fall = 1;
	server_open(&f->server, 503);
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_DOWN, VERDICT_ERROR, "HTTP 503");
	f->server.status = 200;
	expect_change(f, HEALTH_DOWN, HEALTH_RECOVERING, VERDICT_OK, "HTTP 200");
	f->server.status = 503;
	expect_change(f, HEALTH_RECOVERING, HEALTH_DOWN, VERDICT_ERROR, "HTTP 503");
}

static void test_http_hangs(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;

	server_open(&f->server, 200);
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_UP, VERDICT_OK, "HTTP 200");
	f->server.status = 0;
	spec.timeout = 30 * NSEC_PER_MSEC;
	assert_int_equal(health_set_spec(f->health, ID, &spec), 0);
	expect_change(f, HEALTH_UP, HEALTH_SUSPECT, VERDICT_AMBIGUOUS, "time-out after ");
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_AMBIGUOUS, "time-out after ");
	assert_int_equal(view_of(f).failures, 3);
}

static void test_http_refused(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;

	assert_true(server_bind(&f->server, "127.0.0.1"));
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_SUSPECT, VERDICT_REFUSED, "connection refused");
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_REFUSED, "connection refused");
}

static void test_http_request(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;
	char host[64];

	snprintf(spec.path, sizeof(spec.path), "/healthz?full=1");
	server_open(&f->server, 200);
	add(f, &spec);
	run_until(f, f->server.requests);
	snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", f->server.port);
	assert_ptr_equal(strstr(f->server.request, "GET /healthz?full=1 HTTP/1.1\r\n"),
			 f->server.request);
	assert_non_null(strstr(f->server.request, host));
	assert_non_null(strstr(f->server.request, "\r\nUser-Agent: kube-probe/1.36 (swerve)\r\n"));
}

/* Of the same name they replace what is sent anyway; without a value it is left out. */
static void test_http_headers(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;

	probe_spec_add_header(&spec, "User-Agent", "kubelet/1");
	probe_spec_add_header(&spec, "X-A", "b: c");
	probe_spec_add_header(&spec, "X-Empty", "");
	probe_spec_add_header(&spec, "accept", "");
	probe_spec_add_header(&spec, "Host", "a.example:81");
	server_open(&f->server, 200);
	add(f, &spec);
	run_until(f, f->server.requests);
	assert_non_null(strstr(f->server.request, "\r\nUser-Agent: kubelet/1\r\n"));
	assert_null(strstr(f->server.request, "swerve"));
	assert_non_null(strstr(f->server.request, "\r\nX-A: b: c\r\n"));
	assert_non_null(strstr(f->server.request, "\r\nX-Empty:\r\n"));
	assert_non_null(strstr(f->server.request, "\r\nHost: a.example:81\r\n"));
	assert_null(strcasestr(f->server.request, "\r\nAccept:"));
}

/* The verdict of a time-out that we slept through does not count. */
static void test_late_loop_is_no_evidence(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;

	spec.timeout = 300 * NSEC_PER_MSEC;
	server_open(&f->server, 0);
	add(f, &spec);
	run_until(f, f->server.requests);
	usleep(700 * 1000);
	run_until(f, view_of(f).probes);
	assert_int_equal(view_of(f).discarded, 1);
	assert_int_equal(view_of(f).failures, 0);
	expect_no_more(f);
}

/* The loop's descriptors are open already; the probes cannot get any. */
static void check_own_errors(struct fixture *f, enum probe_kind kind)
{
	struct probe_spec spec = spec_of(kind);
	struct rlimit before, none;

	server_open(&f->server, 200);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
	add(f, &spec);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	run_until(f, view_of(f).probes >= 4);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(view_of(f).discarded, view_of(f).probes);
	assert_int_equal(view_of(f).failures, 0);
	expect_no_more(f);
	run_until(f, view_of(f).state == HEALTH_UP);
}

static void test_own_errors_are_no_evidence_tcp(void **arg)
{
	check_own_errors(*arg, PROBE_TCP);
}

static void test_own_errors_are_no_evidence_http(void **arg)
{
	check_own_errors(*arg, PROBE_HTTP);
}

static void test_restored_down_is_confirmed_then_recovers(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;
	struct health_target target;

	assert_true(server_bind(&f->server, "127.0.0.1"));
	target = target_of(f, HEALTH_DOWN);
	/* Would be due within a minute, if what is down were not asked at once. */
	spec.interval = 60 * NSEC_PER_SEC;
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	expect_change(f, HEALTH_DOWN, HEALTH_DOWN, VERDICT_REFUSED, "connection refused");
	server_listen(&f->server);
	f->server.status = 500;
	spec.interval = 10 * NSEC_PER_MSEC;
	assert_int_equal(health_set_spec(f->health, ID, &spec), 0);
	expect_change(f, HEALTH_DOWN, HEALTH_DOWN, VERDICT_ERROR, "HTTP 500");
	run_for_probes(f, 1);
	expect_no_more(f);
	f->server.status = 200;
	expect_change(f, HEALTH_DOWN, HEALTH_RECOVERING, VERDICT_OK, "HTTP 200");
	expect_change(f, HEALTH_RECOVERING, HEALTH_UP, VERDICT_OK, "HTTP 200");
}

/* The kernel may still hold "refuses". */
static void test_restored_down_reports_its_first_verdict(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;
	struct health_target target;

	server_open(&f->server, 500);
	target = target_of(f, HEALTH_DOWN);
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	expect_change(f, HEALTH_DOWN, HEALTH_DOWN, VERDICT_ERROR, "HTTP 500");
	run_for_probes(f, 1);
	expect_no_more(f);
}

static void run_rounds(struct fixture *f, int rounds)
{
	for (int i = 0; i < rounds; i++)
		assert_int_equal(loop_run_once(f->loop, 5 * NSEC_PER_MSEC), 0);
}

static void test_not_probed(void **arg)
{
	struct probe_spec none = spec_of(PROBE_NONE), tcp = spec_of(PROBE_TCP);
	struct fixture *f = *arg;
	struct health_target target;

	assert_true(server_bind(&f->server, "127.0.0.1"));
	add(f, &none);
	run_rounds(f, 10);
	assert_int_equal(view_of(f).probes, 0);
	health_remove(f->health, ID);

	target = target_of(f, HEALTH_UNKNOWN);
	target.proto = IPPROTO_UDP;
	assert_int_equal(health_add(f->health, &target, &tcp), 0);
	run_rounds(f, 10);
	assert_int_equal(view_of(f).probes, 0);
	expect_no_more(f);

	/* With a port of its own the probe says something about UDP backends, too. */
	tcp.port = f->server.port;
	assert_int_equal(health_set_spec(f->health, ID, &tcp), 0);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_SUSPECT, VERDICT_REFUSED, "connection refused");
}

/* What is down and no longer probed would never come back. */
static void test_evidence_ends_with_probing(void **arg)
{
	struct probe_spec none = spec_of(PROBE_NONE), tcp = spec_of(PROBE_TCP);
	struct fixture *f = *arg;
	struct health_target target;

	assert_true(server_bind(&f->server, "127.0.0.1"));
	tcp.fall = 1;
	add(f, &tcp);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_DOWN, VERDICT_REFUSED, "connection refused");
	assert_int_equal(health_set_spec(f->health, ID, &none), 0);
	expect_no_more(f);
	expect_change(f, HEALTH_DOWN, HEALTH_UNKNOWN, VERDICT_OK, "not probed");
	health_remove(f->health, ID);

	target = target_of(f, HEALTH_DOWN);
	assert_int_equal(health_add(f->health, &target, &none), 0);
	expect_no_more(f);
	expect_change(f, HEALTH_DOWN, HEALTH_UNKNOWN, VERDICT_OK, "not probed");
}

static void test_set_spec_keeps_evidence(void **arg)
{
	struct probe_spec tcp = spec_of(PROBE_TCP), http = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;

	assert_int_equal(health_set_spec(f->health, ID, &tcp), -ENOENT);
	server_open(&f->server, 500);
	add(f, &tcp);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_UP, VERDICT_OK, "connected");
	assert_int_equal(health_set_spec(f->health, ID, &tcp), 0);
	assert_int_equal(health_set_spec(f->health, ID, &http), 0);
	assert_int_equal(view_of(f).state, HEALTH_UP);
	expect_change(f, HEALTH_UP, HEALTH_SUSPECT, VERDICT_ERROR, "HTTP 500");
}

static void test_equal_spec_changes_nothing(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;

	server_open(&f->server, 0);
	add(f, &spec);
	run_until(f, f->server.requests);
	assert_int_equal(health_set_spec(f->health, ID, &spec), 0);
	run_rounds(f, 20);
	assert_int_equal(f->server.requests, 1);
	spec.interval *= 2;
	assert_int_equal(health_set_spec(f->health, ID, &spec), 0);
	run_until(f, f->server.requests > 1);
}

static int lowest_free_descriptor(void)
{
	int fd = dup(STDIN_FILENO);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static void check_descriptors(struct fixture *f, enum probe_kind kind)
{
	struct probe_spec spec = spec_of(kind);
	int before;

	server_open(&f->server, 200);
	before = lowest_free_descriptor();
	add(f, &spec);
	run_for_probes(f, 5);
	health_remove(f->health, ID);
	run_rounds(f, 10); /* the server closes its ends */
	assert_int_equal(lowest_free_descriptor(), before);
	server_close(&f->server);
}

static void test_probes_close_their_descriptors(void **arg)
{
	check_descriptors(*arg, PROBE_TCP);
	check_descriptors(*arg, PROBE_HTTP);
}

static void test_remove_with_a_probe_under_way(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct health_target target;
	struct fixture *f = *arg;
	struct health_view view;

	server_open(&f->server, 0);
	add(f, &spec);
	target = target_of(f, HEALTH_UNKNOWN);
	assert_int_equal(health_add(f->health, &target, &spec), -EEXIST);
	run_until(f, f->server.requests);
	health_remove(f->health, ID);
	health_remove(f->health, ID);
	assert_int_equal(health_get(f->health, ID, &view), -ENOENT);
	run_rounds(f, 10);
	expect_no_more(f);

	add(f, &spec);
	run_until(f, f->server.requests > 1);
	/* teardown frees it in this state */
}

static void test_remove_from_inside_the_callback(void **arg)
{
	static const enum probe_kind kinds[] = {PROBE_TCP, PROBE_HTTP};
	struct fixture *f = *arg;

	f->remove = true;
	server_open(&f->server, 200);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct probe_spec spec = spec_of(kinds[i]);

		add(f, &spec);
		run_until(f, f->count > i);
	}
	run_rounds(f, 10);
	assert_int_equal(f->count, ARRAY_SIZE(kinds));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_tcp_falls_and_comes_back),
		unit(test_tcp_does_not_disturb_the_server),
		unit(test_tcp_refused_from_the_start),
		unit(test_who_admits),
		unit(test_tcp_ipv6),
		unit(test_tcp_time_out),
		unit(test_http_falls_and_comes_back),
		unit(test_http_relapse_while_recovering),
		unit(test_http_hangs),
		unit(test_http_refused),
		unit(test_http_request),
		unit(test_http_headers),
		unit(test_late_loop_is_no_evidence),
		unit(test_own_errors_are_no_evidence_tcp),
		unit(test_own_errors_are_no_evidence_http),
		unit(test_restored_down_is_confirmed_then_recovers),
		unit(test_restored_down_reports_its_first_verdict),
		unit(test_not_probed),
		unit(test_evidence_ends_with_probing),
		unit(test_set_spec_keeps_evidence),
		unit(test_equal_spec_changes_nothing),
		unit(test_probes_close_their_descriptors),
		unit(test_remove_with_a_probe_under_way),
		unit(test_remove_from_inside_the_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a failure that is held back when the worker does not see to it, and of what the worker
 * sends when it is too late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/rescue_scene.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "datapath/dp_rescue.h"
#include "model/retry_policy.h"
#include "rescue/client_peer.h"
#include "rescue/tcp_segment.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of the records that come, the last; the others are none of these tests'. */
static void take_record(void *ret, const struct sw_rescue *record, size_t size)
{
	assert_true(size >= sizeof(*record));
	*(struct sw_rescue *)ret = *record;
}

/* A worker that is alive and does nothing, until the client has got something. */
static void idle_until_heard(struct scene *scene, struct dp_rescue *rescue)
{
	struct pollfd client = {.fd = scene->client, .events = POLLIN};
	int rounds = 0;

	do
		dp_rescue_heartbeat(rescue, clock_now());
	while (!poll(&client, 1, 50) && rounds++ < 400);
	assert_true(client.revents);
}

/* What this test sends in the backend's name, where the worker would. */
struct voice {
	struct client_netns_cache *cache;
	struct client_peer client;
};

static struct voice voice_of(const struct sw_rescue *record)
{
	struct voice voice = {.client = client_peer_of(record)};

	assert_int_equal(client_netns_cache_new(&voice.cache), 0);
	assert_int_equal(client_peer_find(&voice.client, voice.cache, clock_now()), 0);
	return voice;
}

static void voice_done(struct voice *voice)
{
	client_peer_done(&voice->client);
	client_netns_cache_free(voice->cache);
}

static void order(const struct voice *voice, enum sw_order order, uint8_t flags, uint32_t seq,
		  uint32_t ack, const char *data)
{
	assert_int_equal(client_peer_send(&voice->client, order, flags | SEGMENT_ACK, seq, ack,
					  data, strlen(data)),
			 0);
}

static void take_outstanding(void *ret, uint64_t cookie, const struct sw_outstanding *outstanding)
{
	struct sw_rescue *record = ret;

	record->cookie = cookie;
	record->since = outstanding->since;
	record->client_addr = outstanding->client_addr;
	record->backend_addr = outstanding->backend_addr;
	record->client_port = outstanding->client_port;
	record->backend_port = outstanding->backend_port;
}

/* The next request is sent, and the worker is told that it takes too long. */
static struct sw_rescue ask_and_report(struct scene *scene, struct dp_rescue *rescue)
{
	struct sw_rescue record = {};
	struct voice voice;

	dp_rescue_heartbeat(rescue, clock_now());
	say(scene->client, GET);
	hear(scene->first, GET);
	dp_rescue_each_outstanding(rescue, take_outstanding, &record);
	voice = voice_of(&record);
	order(&voice, SW_ORDER_REPORT, 0, (uint32_t)record.since, (uint32_t)(record.since >> 32),
	      "");
	dp_rescue_consume(rescue, take_record, &record);
	assert_int_equal(record.kind, SW_RESCUE_REQUEST);
	assert_int_equal(record.failure, SW_FAILURE_TIMEOUT);
	voice_done(&voice);
	return record;
}

/* Another backend's answer to a request that was answered, while the next one is outstanding. */
static void test_an_answer_to_an_earlier_request(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_TIMEOUT);
	struct dp_rescue *rescue = replace_worker(&scene);
	struct sw_rescue early, late;
	struct voice voice;

	dial(&scene);
	scene.first = accept_any(scene.world);
	early = ask_and_report(&scene, rescue);
	voice = voice_of(&early);
	say(scene.first, OK);
	hear(scene.client, OK);
	late = ask_and_report(&scene, rescue);
	assert_int_not_equal(early.since, late.since);
	/* In the right place, and from the start, longer than the answer that there was. */
	order(&voice, SW_ORDER_ANSWER, 0, late.seq, early.ack, ERR);
	order(&voice, SW_ORDER_ANSWER, SEGMENT_FIN, early.seq, early.ack, ERR ERR ERR);
	order(&voice, SW_ORDER_ANSWER, SEGMENT_RST, late.seq, early.ack, "");
	say(scene.first, OK);
	hear(scene.client, OK);
	/* Nor when the next one is held. */
	early = late;
	late = ask_and_report(&scene, rescue);
	order(&voice, SW_ORDER_ANSWER, 0, late.seq, late.ack, "HTTP");
	order(&voice, SW_ORDER_ANSWER, 0, late.seq + 4, early.ack, ERR);
	order(&voice, SW_ORDER_RELEASE, 0, late.seq + 4, early.ack, ERR);
	order(&voice, SW_ORDER_ANSWER, SEGMENT_FIN, late.seq + 4, late.ack, RESCUED + 4);
	hear(scene.client, RESCUED);
	hear_end(scene.client);
	voice_done(&voice);
	dp_rescue_close(rescue);
	end_scene(&scene);
}

/* Only of the request that was meant does the worker get to hear that it takes too long. */
static void test_a_report_of_an_earlier_request(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_TIMEOUT);
	struct dp_rescue *rescue = replace_worker(&scene);
	struct sw_rescue early, late = {};
	struct voice voice;

	dial(&scene);
	scene.first = accept_any(scene.world);
	early = ask_and_report(&scene, rescue);
	voice = voice_of(&early);
	say(scene.first, OK);
	hear(scene.client, OK);
	say(scene.client, GET);
	hear(scene.first, GET);
	dp_rescue_consume(rescue, take_record, &late);
	assert_int_equal(late.kind, SW_RESCUE_OVER);
	assert_int_equal(late.since, early.since);
	late = (struct sw_rescue){};
	dp_rescue_forget_outstanding(rescue, early.cookie);
	order(&voice, SW_ORDER_REPORT, 0, (uint32_t)early.since, (uint32_t)(early.since >> 32), "");
	dp_rescue_consume(rescue, take_record, &late);
	assert_int_equal(late.kind, 0);
	/* It is still waited for. */
	dp_rescue_each_outstanding(rescue, take_outstanding, &late);
	assert_true(late.since > early.since);
	voice_done(&voice);
	dp_rescue_close(rescue);
	end_scene(&scene);
}

/* Whether swerved leaves the connection open though its backend is down. */
static bool is_taken(const struct scene *scene)
{
	_cleanup_close_ int map = -1;
	struct sw_socket socket;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sw_sockets", sandbox.pin_dir);
	map = bpf_obj_get(path);
	assert_true(map >= 0);
	assert_int_equal(bpf_map_lookup_elem(map, &scene->client, &socket), 0);
	return socket.flags & SW_SOCKET_TAKEN;
}

static void test_whose_connection_it_is(void **state)
{
	struct scene scene =
		make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_TIMEOUT | RETRY_5XX);
	struct dp_rescue *rescue = replace_worker(&scene);
	struct sw_rescue record;
	struct voice voice;

	dial(&scene);
	scene.first = accept_any(scene.world);
	assert_false(is_taken(&scene));
	record = ask_and_report(&scene, rescue);
	assert_true(is_taken(&scene));
	say(scene.first, OK);
	hear(scene.client, OK);
	assert_false(is_taken(&scene));
	/* No other backend has an answer. */
	record = ask_and_report(&scene, rescue);
	assert_true(is_taken(&scene));
	voice = voice_of(&record);
	order(&voice, SW_ORDER_RELEASE, 0, record.seq, record.ack, "");
	assert_false(is_taken(&scene));
	/* Nor has one when it fails in the end. */
	dp_rescue_heartbeat(rescue, clock_now());
	say(scene.first, ERR);
	while (record.failure != SW_FAILURE_STATUS)
		dp_rescue_consume(rescue, take_record, &record);
	assert_true(is_taken(&scene));
	order(&voice, SW_ORDER_RELEASE, SEGMENT_PSH, record.seq, record.ack, ERR);
	hear(scene.client, ERR);
	assert_false(is_taken(&scene));
	voice_done(&voice);
	dp_rescue_close(rescue);
	end_scene(&scene);
}

/* A slow answer is an answer: the request that went to another backend meanwhile is called off. */
static void test_an_answer_after_all(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_TIMEOUT);
	int second;
	ssize_t n;

	service.retry_timeout = 60 * NSEC_PER_SEC;
	service.request_timeout = 50 * NSEC_PER_MSEC;
	world_publish(scene.world, &service);
	rescue_worker_set_scan(scene.worker, 10 * NSEC_PER_MSEC);
	ask(&scene, GET);
	second = accept_any(scene.world);
	hear(second, GET);
	say(scene.first, OK);
	hear(scene.client, OK);
	n = recv(second, &(char){0}, 1, 0);
	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
	rescue_worker_results(scene.worker, &scene.results);
	assert_int_equal(scene.results.stats.ended[RESCUE_TIMEOUT][RESCUE_TOO_LATE], 1);
	say(scene.client, GET);
	hear(scene.first, GET);
	say(scene.first, OK);
	hear(scene.client, OK);
	close(second);
	end_scene(&scene);
}

/* It takes too long, and fails while it is replayed, and so does the replay. */
static void test_a_failure_after_all(void **state)
{
	struct scene scene =
		make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_TIMEOUT | RETRY_5XX);
	int second;

	service.retry_timeout = 60 * NSEC_PER_SEC;
	service.request_timeout = 50 * NSEC_PER_MSEC;
	world_publish(scene.world, &service);
	rescue_worker_set_scan(scene.worker, 10 * NSEC_PER_MSEC);
	ask(&scene, GET);
	second = accept_any(scene.world);
	hear(second, GET);
	say(scene.first, ERR);
	assert_int_equal(poll(&(struct pollfd){.fd = scene.client, .events = POLLIN}, 1, 100), 0);
	close(second);
	hear(scene.client, ERR);
	end_scene(&scene);
}

/* Within the retry time-out and some time for the worker. */
static void test_a_failure_that_is_forgotten(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);
	struct dp_rescue *rescue = replace_worker(&scene);
	struct sw_rescue record = {};

	dp_rescue_heartbeat(rescue, clock_now());
	ask(&scene, GET);
	say(scene.first, ERR);
	idle_until_heard(&scene, rescue);
	dp_rescue_consume(rescue, take_record, &record);
	assert_int_equal(record.kind, SW_RESCUE_REQUEST);
	hear(scene.client, ERR);
	dp_rescue_close(rescue);
	end_scene(&scene);
}

static void test_a_failure_that_is_let_go(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);
	struct dp_rescue *rescue = replace_worker(&scene);
	struct sw_rescue record = {};

	service.retry_timeout = 60 * NSEC_PER_SEC; /* longer than any test waits */
	world_publish(scene.world, &service);
	dp_rescue_heartbeat(rescue, clock_now());
	ask(&scene, GET);
	dp_rescue_heartbeat(rescue, clock_now());
	say(scene.first, ERR);
	while (!record.kind)
		dp_rescue_consume(rescue, take_record, &record);
	/* Of another request. */
	record.since--;
	dp_rescue_let_go(rescue, &record);
	for (int i = 0; i < 10; i++) {
		dp_rescue_heartbeat(rescue, clock_now());
		assert_int_equal(
			poll(&(struct pollfd){.fd = scene.client, .events = POLLIN}, 1, 50), 0);
	}
	record.since++;
	dp_rescue_let_go(rescue, &record);
	idle_until_heard(&scene, rescue);
	hear(scene.client, ERR);
	dp_rescue_close(rescue);
	end_scene(&scene);
}

static void bind_to_loopback(int fd)
{
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo")), 0);
}

/* The kernel names it only to those who know the device: the worker does not find it. */
static void test_a_client_that_is_not_found(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);

	service.retry_timeout = 60 * NSEC_PER_SEC;
	world_publish(scene.world, &service);
	dial(&scene);
	bind_to_loopback(scene.client);
	scene.first = accept_any(scene.world);
	say(scene.client, GET);
	hear(scene.first, GET);
	say(scene.first, ERR);
	hear(scene.client, ERR);
	rescue_worker_results(scene.worker, &scene.results);
	assert_int_equal(scene.results.stats.ended[RESCUE_STATUS][RESCUE_CLIENT_GONE], 1);
	end_scene(&scene);
}

static void test_a_socket_that_is_bound_to_a_device(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);

	scene.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	limit_waiting(scene.client);
	bind_to_loopback(scene.client);
	expect_left_alone(&scene);
	end_scene(&scene);
}

/* The end of a connection that was not used is held like that of one that is kept. */
static void test_an_end_before_any_request(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	service.retry_timeout = 60 * NSEC_PER_SEC;
	world_publish(scene.world, &service);
	dial(&scene);
	scene.first = accept_any(scene.world);
	close(scene.first);
	hear_end(scene.client);
	close(scene.client);
	dial(&scene);
	scene.first = accept_any(scene.world);
	close_with_reset(&scene.first);
	hear_reset(scene.client);
	end_scene(&scene);
}

/* connect() fails, and the socket goes to a server that is of no service. */
static void test_a_socket_that_connects_elsewhere(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);
	uint16_t port = world_serve(scene.world, SERVERS, "127.0.0.1", SOCK_STREAM);
	struct sockaddr_storage sa;
	socklen_t len = world_sockaddr(AF_INET, service.frontend, 80, &sa);

	for (int i = 0; i < SERVERS; i++)
		world_shut(scene.world, i);
	scene.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	limit_waiting(scene.client);
	assert_int_equal(connect(scene.client, (struct sockaddr *)&sa, len), -1);
	assert_int_equal(errno, ECONNREFUSED);
	len = world_sockaddr(AF_INET, "127.0.0.1", port, &sa);
	assert_int_equal(connect(scene.client, (struct sockaddr *)&sa, len), 0);
	scene.first = accept4(scene.world->servers[SERVERS], NULL, NULL, SOCK_CLOEXEC);
	limit_waiting(scene.first);
	say(scene.client, GET);
	hear(scene.first, GET);
	say(scene.first, ERR);
	hear(scene.client, ERR);
	rescue_worker_results(scene.worker, &scene.results);
	assert_int_equal(scene.results.notes, 0);
	end_scene(&scene);
}

static int run(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_an_answer_to_an_earlier_request),
		TEST(test_a_report_of_an_earlier_request),
		TEST(test_whose_connection_it_is),
		TEST(test_an_answer_after_all),
		TEST(test_a_failure_after_all),
		TEST(test_a_failure_that_is_forgotten),
		TEST(test_a_failure_that_is_let_go),
		TEST(test_a_client_that_is_not_found),
		TEST(test_a_socket_that_is_bound_to_a_device),
		TEST(test_a_socket_that_connects_elsewhere),
		TEST(test_an_end_before_any_request),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}

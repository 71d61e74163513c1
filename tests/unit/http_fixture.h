/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of net/: a client on a loop, and requests that record what became of them. */
#pragma once

#include "base/clock.h"
#include "base/duration.h"
#include "loop/loop.h"
#include "net/http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { URL_SIZE = 64, REQUEST_SIZE = 1024 };

#define LONG_TIME (20 * NSEC_PER_SEC)

/* What a test needs. */
struct fixture {
	struct loop *loop;
	struct http_client *client;
};

static inline int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture || loop_new(&fixture->loop) < 0 ||
	    http_client_new(fixture->loop, &fixture->client) < 0)
		return -1;
	*state = fixture;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *fixture = *state;

	http_client_free(fixture->client);
	loop_free(fixture->loop);
	free(fixture);
	return 0;
}

/* A request and what became of it. */
struct outcome {
	struct http_request *request;
	int calls, error, status;
	char detail[128];
};

static inline void on_done(void *arg, const struct http_result *result)
{
	struct outcome *outcome = arg;

	outcome->request = NULL;
	outcome->calls++;
	outcome->error = result->error;
	outcome->status = result->status;
	snprintf(outcome->detail, sizeof(outcome->detail), "%s", result->detail);
}

static inline void start(struct fixture *fixture, const char *url, bool fresh, uint64_t timeout,
			 struct outcome *outcome)
{
	const struct http_get get = {
		.url = url,
		.user_agent = "test/1",
		.timeout = timeout,
		.fresh = fresh,
		.done = on_done,
		.arg = outcome,
	};

	*outcome = (struct outcome){};
	assert_int_equal(http_client_get(fixture->client, &get, &outcome->request), 0);
	assert_int_equal(outcome->calls, 0);
	assert_non_null(outcome->request);
}

static inline void run_until(struct fixture *fixture, const int *counter, int value)
{
	uint64_t end = clock_now() + 2 * LONG_TIME;

	while (*counter < value && clock_now() < end)
		assert_int_equal(loop_run_once(fixture->loop, NSEC_PER_SEC), 0);
	assert_int_equal(*counter, value);
}

static inline void get_and_wait(struct fixture *fixture, const char *url, bool fresh,
				uint64_t timeout, struct outcome *outcome)
{
	start(fixture, url, fresh, timeout, outcome);
	run_until(fixture, &outcome->calls, 1);
}

#define HTTP_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

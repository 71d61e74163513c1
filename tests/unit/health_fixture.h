/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of health: probes of a server on the same loop, and the changes that they cause. */
#pragma once

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

#include "unit/scripted_server.h"

enum { CHANGES_MAX = 64, ID = 7 };

struct change {
	enum health_state from, to;
	enum health_verdict verdict;
	char detail[64];
};

struct fixture {
	struct loop *loop;
	struct http_client *client;
	struct health *health;
	struct server server;
	struct change changes[CHANGES_MAX];
	size_t count; /* of changes */
	size_t seen;  /* of them asserted */
	size_t wanted;
	bool remove; /* the target, from inside the callback */
};

/* The fixture */

static inline void on_change(void *arg, const struct health_change *change)
{
	struct fixture *f = arg;
	struct change *copy = &f->changes[f->count++];

	assert_in_range(f->count, 1, CHANGES_MAX);
	assert_int_equal(change->id, ID);
	copy->from = change->from;
	copy->to = change->to;
	copy->verdict = change->verdict;
	if (f->remove)
		health_remove(f->health, change->id);
	snprintf(copy->detail, sizeof(copy->detail), "%s", change->detail);
}

static inline int setup(void **arg)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->server.io.fd = -1;
	assert_int_equal(loop_new(&f->loop), 0);
	f->server.loop = f->loop;
	assert_int_equal(http_client_new(f->loop, &f->client), 0);
	assert_int_equal(
		health_new(f->loop, f->client, &HEALTH_CONFIG_DEFAULT, on_change, f, &f->health),
		0);
	*arg = f;
	return 0;
}

static inline int teardown(void **arg)
{
	struct fixture *f = *arg;

	health_free(f->health);
	server_close(&f->server);
	http_client_free(f->client);
	loop_free(f->loop);
	free(f);
	return 0;
}

static inline struct probe_spec spec_of(enum probe_kind kind)
{
	struct probe_spec spec = PROBE_SPEC_DEFAULT;

	spec.kind = kind;
	spec.interval = 10 * NSEC_PER_MSEC;
	spec.timeout = 20 * NSEC_PER_SEC;
	return spec;
}

static inline struct health_target target_of(const struct fixture *f, enum health_state initial)
{
	return (struct health_target){
		.id = ID,
		.addr = f->server.addr,
		.port = f->server.port,
		.proto = IPPROTO_TCP,
		.initial = initial,
	};
}

static inline void add(struct fixture *f, const struct probe_spec *spec)
{
	struct health_target target = target_of(f, HEALTH_UNKNOWN);

	assert_int_equal(health_add(f->health, &target, spec), 0);
}

static inline struct health_view view_of(const struct fixture *f)
{
	struct health_view view;

	assert_int_equal(health_get(f->health, ID, &view), 0);
	return view;
}

/* Runs the loop while `cond` is not true; gives up on what can only be a bug. */
#define run_until(f, cond)                                                                 \
	do {                                                                               \
		uint64_t end_ = clock_now() + 30 * NSEC_PER_SEC;                           \
		while (!(cond)) {                                                          \
			assert_int_equal(loop_run_once((f)->loop, 10 * NSEC_PER_MSEC), 0); \
			if (clock_now() > end_)                                            \
				fail_msg("line %d: %s does not happen", __LINE__, #cond);  \
		}                                                                          \
	} while (0)

static inline void run_for_probes(struct fixture *f, uint64_t count)
{
	uint64_t target = view_of(f).probes + count;

	run_until(f, view_of(f).probes >= target);
}

/* `detail` may be its beginning: a machine that is busy makes time-outs longer. */
static inline void expect_change(struct fixture *f, enum health_state from, enum health_state to,
				 enum health_verdict verdict, const char *detail)
{
	const struct change *change = &f->changes[f->seen];

	run_until(f, f->count > f->seen);
	f->seen++;
	assert_string_equal(health_state_to_str(change->from), health_state_to_str(from));
	assert_string_equal(health_state_to_str(change->to), health_state_to_str(to));
	assert_string_equal(health_verdict_to_str(change->verdict), health_verdict_to_str(verdict));
	if (strncmp(change->detail, detail, strlen(detail)) != 0)
		assert_string_equal(change->detail, detail);
}

static inline void expect_no_more(const struct fixture *f)
{
	assert_int_equal(f->count, f->seen);
}

#define unit(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

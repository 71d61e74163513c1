/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of other backends, and of traffic, and what it changes. */
#include "unit/health_fixture.h"

#include <limits.h>
#include <time.h>

static const struct guard_pool plenty = {.ready = 2, .usable = 1}, nobody = {.ready = 2};
static const struct guard_pool *pool;

static bool on_pool(void *arg, uint32_t id, struct guard_pool *ret)
{
	(void)arg;
	assert_int_equal(id, ID);
	if (pool)
		*ret = *pool;
	return pool;
}

/* With a server that does not answer. */
static void begin_silent(struct fixture *f)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);

	health_set_pool(f->health, on_pool);
	server_open(&f->server, 0);
	spec.timeout = 30 * NSEC_PER_MSEC;
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_SUSPECT, VERDICT_AMBIGUOUS, "time-out after ");
}

static void test_the_last_one_is_not_taken_out_for_silence(void **arg)
{
	struct fixture *f = *arg;

	pool = &nobody;
	begin_silent(f);
	run_for_probes(f, 5);
	expect_no_more(f);
	assert_false(health_is_silent(f->health, ID));
	/* As soon as there is another one, it is. */
	pool = &plenty;
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_AMBIGUOUS, "time-out after ");
	assert_true(health_is_silent(f->health, ID));
	f->server.status = 200;
	expect_change(f, HEALTH_DOWN, HEALTH_RECOVERING, VERDICT_OK, "HTTP 200");
	assert_true(health_is_silent(f->health, ID));
	expect_change(f, HEALTH_RECOVERING, HEALTH_UP, VERDICT_OK, "HTTP 200");
	assert_false(health_is_silent(f->health, ID));
}

static void test_who_is_in_no_pool_is_not_held(void **arg)
{
	struct fixture *f = *arg;

	pool = NULL;
	begin_silent(f);
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_AMBIGUOUS, "time-out after ");
}

/* Errors speak for themselves, whoever else is there. */
static void test_errors_are_not_held(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;

	pool = &nobody;
	health_set_pool(f->health, on_pool);
	server_open(&f->server, 500);
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_SUSPECT, VERDICT_ERROR, "HTTP 500");
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_ERROR, "HTTP 500");
	assert_false(health_is_silent(f->health, ID));
}

/* Goes down and comes back, as soon as its probes say so. Returns when it went down. */
static uint64_t flap(struct fixture *f)
{
	uint64_t down;

	f->server.status = 500;
	expect_change(f, HEALTH_UP, HEALTH_SUSPECT, VERDICT_ERROR, "HTTP 500");
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_ERROR, "HTTP 500");
	down = view_of(f).since;
	f->server.status = 200;
	expect_change(f, HEALTH_DOWN, HEALTH_RECOVERING, VERDICT_OK, "HTTP 200");
	return down;
}

static uint64_t begin_flapping(struct fixture *f, const struct guard_pool *others)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);

	pool = others;
	health_set_pool(f->health, on_pool);
	server_open(&f->server, 200);
	add(f, &spec);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_UP, VERDICT_OK, "HTTP 200");
	flap(f);
	expect_change(f, HEALTH_RECOVERING, HEALTH_UP, VERDICT_OK, "HTTP 200");
	return flap(f);
}

static void test_who_flaps_is_held_down(void **arg)
{
	struct fixture *f = *arg;
	uint64_t down = begin_flapping(f, &plenty);

	/* When the hold of a second is over, the next success counts. */
	expect_change(f, HEALTH_RECOVERING, HEALTH_UP, VERDICT_OK, "HTTP 200");
	assert_true(view_of(f).since - down >= NSEC_PER_SEC);
}

static void test_who_flaps_is_better_than_nobody(void **arg)
{
	struct fixture *f = *arg;
	uint64_t probes;

	begin_flapping(f, &nobody);
	probes = view_of(f).probes;
	expect_change(f, HEALTH_RECOVERING, HEALTH_UP, VERDICT_OK, "HTTP 200");
	assert_in_range(view_of(f).probes, probes, probes + 2);
}

/* Down from before a restart, by a probe that is not known yet. Returns since when. */
static uint64_t begin_unsure(struct fixture *f, uint64_t unsure)
{
	struct probe_spec spec = spec_of(PROBE_TCP);
	struct health_target target;
	uint64_t began;

	server_open(&f->server, 200);
	target = target_of(f, HEALTH_DOWN);
	target.unsure = unsure;
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	began = view_of(f).since;
	expect_change(f, HEALTH_DOWN, HEALTH_RECOVERING, VERDICT_OK, "connected");
	return began;
}

static void test_down_until_it_is_known_how_to_probe(void **arg)
{
	struct fixture *f = *arg;

	begin_unsure(f, 3600 * NSEC_PER_SEC);
	run_for_probes(f, 5);
	expect_no_more(f);
	health_release(f->health, ID);
	expect_change(f, HEALTH_RECOVERING, HEALTH_UP, VERDICT_OK, "connected");
}

static void test_what_stays_unknown_is_not_waited_for(void **arg)
{
	struct fixture *f = *arg;
	uint64_t began;

	began = begin_unsure(f, 300 * NSEC_PER_MSEC);
	expect_change(f, HEALTH_RECOVERING, HEALTH_UP, VERDICT_OK, "connected");
	assert_true(view_of(f).since - began >= 300 * NSEC_PER_MSEC);
}

/* While applications have answers, probes would say nothing new. */
static void test_traffic_spares_probes(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_TCP);
	struct fixture *f = *arg;
	struct health_target target;
	uint64_t last_success = 0, end;

	server_open(&f->server, 200);
	target = target_of(f, HEALTH_UNKNOWN);
	target.last_success = &last_success;
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	/* First they are to say how fast it is. */
	run_until(f, (last_success = clock_now()) && view_of(f).probes >= 32);
	assert_int_equal(view_of(f).spared, 0);
	run_until(f, (last_success = clock_now()) && view_of(f).spared >= 20);
	/* Once a second it is asked all the same, so this ends. */
	end = view_of(f).probes;
	run_until(f, (last_success = clock_now()) && view_of(f).probes > end);
	assert_int_equal(health_totals(f->health).spared, view_of(f).spared);
	/* And without traffic as before. */
	run_for_probes(f, 10);
}

/* What came from the pod may be errors: that spares no probe that would see them, unless it was looked at. */
static void test_good_answers_spare_http_probes(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;
	struct health_target target;
	uint64_t last_success = 0, last_good = 0;

	server_open(&f->server, 200);
	target = target_of(f, HEALTH_UNKNOWN);
	target.last_success = &last_success;
	target.last_good = &last_good;
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	run_until(f, (last_success = clock_now()) && view_of(f).probes > 40);
	assert_int_equal(view_of(f).spared, 0);
	run_until(f, (last_good = clock_now()) && view_of(f).spared >= 20);
}

/* Adds a backend whose server answers ten probes, and no more. Returns how long the next one waited. */
static unsigned int hang_young(struct fixture *f, const struct probe_spec *spec)
{
	unsigned int ms;

	add(f, spec);
	run_for_probes(f, 10);
	f->server.status = 0;
	run_until(f, view_of(f).state == HEALTH_SUSPECT && view_of(f).probes > 10);
	assert_int_equal(sscanf(view_of(f).detail, "time-out after %ums", &ms), 1);
	return ms;
}

static void test_the_young_are_believed_sooner(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;

	pool = &plenty;
	health_set_pool(f->health, on_pool);
	server_open(&f->server, 200);
	assert_in_range(hang_young(f, &spec), 75, 20 * 1000 - 1);
}

/* Where packets get lost the first answers say little. */
static void test_the_young_have_time_where_doubts_were_unfounded(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;

	spec.timeout = 300 * NSEC_PER_MSEC;
	pool = &plenty;
	health_set_pool(f->health, on_pool);
	server_open(&f->server, 0);
	add(f, &spec);
	run_until(f, view_of(f).failures == 1);
	f->server.status = 200;
	run_until(f, view_of(f).state == HEALTH_UP);
	/* That of the node holds for those who come later, too. */
	health_remove(f->health, ID);
	assert_in_range(hang_young(f, &spec), 300, UINT_MAX);
}

/* Nobody is taken out for silence who answers others. */
static void test_traffic_is_believed(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;
	struct health_target target;
	uint64_t last_success = 0, probes;

	pool = &plenty;
	health_set_pool(f->health, on_pool);
	server_open(&f->server, 0);
	spec.timeout = 30 * NSEC_PER_MSEC;
	target = target_of(f, HEALTH_UNKNOWN);
	target.last_success = &last_success;
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_SUSPECT, VERDICT_AMBIGUOUS, "time-out after ");
	probes = view_of(f).probes;
	run_until(f, (last_success = clock_now()) && view_of(f).probes > probes + 5);
	expect_no_more(f);
	last_success = 0;
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_AMBIGUOUS, "time-out after ");
}

static void test_traffic_leaves_no_doubt(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;
	struct health_target target;
	uint64_t last_success = clock_now();

	pool = &plenty;
	health_set_pool(f->health, on_pool);
	server_open(&f->server, 0);
	spec.timeout = 30 * NSEC_PER_MSEC;
	target = target_of(f, HEALTH_UP);
	target.last_success = &last_success;
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	run_until(f, (last_success = clock_now()) && view_of(f).discarded > 3);
	expect_no_more(f);
	assert_int_equal(view_of(f).failures, 0);
	/* But it says how much failures of its probe are worth. */
	assert_true(view_of(f).outlook.limits.fall > spec.fall);
	last_success = 0;
	run_until(f, view_of(f).failures > 0);
}

/* What was noticed too late says nothing, and is not what the doubt was waiting for. */
static void test_a_late_probe_leaves_the_doubt(void **arg)
{
	const struct timespec pause = {.tv_nsec = 300 * NSEC_PER_MSEC};
	struct probe_spec spec = spec_of(PROBE_HTTP);
	struct fixture *f = *arg;
	struct health_target target;

	server_open(&f->server, 0);
	spec.timeout = 30 * NSEC_PER_MSEC;
	spec.interval = 60 * NSEC_PER_SEC;
	target = target_of(f, HEALTH_SUSPECT);
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	run_until(f, f->server.requests);
	nanosleep(&pause, NULL);
	run_until(f, view_of(f).discarded);
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_AMBIGUOUS, "time-out after ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_the_last_one_is_not_taken_out_for_silence),
		unit(test_who_is_in_no_pool_is_not_held),
		unit(test_errors_are_not_held),
		unit(test_who_flaps_is_held_down),
		unit(test_who_flaps_is_better_than_nobody),
		unit(test_down_until_it_is_known_how_to_probe),
		unit(test_what_stays_unknown_is_not_waited_for),
		unit(test_traffic_spares_probes),
		unit(test_good_answers_spare_http_probes),
		unit(test_the_young_are_believed_sooner),
		unit(test_the_young_have_time_where_doubts_were_unfounded),
		unit(test_traffic_is_believed),
		unit(test_traffic_leaves_no_doubt),
		unit(test_a_late_probe_leaves_the_doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

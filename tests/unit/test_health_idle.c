/* SPDX-License-Identifier: Apache-2.0 */
/* Backends of services that are not used. */
#include "unit/health_fixture.h"

/* Probed once, and not again before it is used: the idle interval is far longer than the test. */
static void test_idle_until_it_is_used(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_TCP);
	struct fixture *f = *arg;
	struct health_target target;
	uint64_t last_used = 0, end;

	server_open(&f->server, 200);
	target = target_of(f, HEALTH_UNKNOWN);
	target.last_used = &last_used;
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_UP, VERDICT_OK, "connected");
	assert_int_equal(health_totals(f->health).idle, 1);
	server_close(&f->server);
	end = clock_now() + 300 * NSEC_PER_MSEC;
	run_until(f, clock_now() > end);
	assert_int_equal(view_of(f).probes, 1);
	expect_no_more(f);

	last_used = clock_now();
	expect_change(f, HEALTH_UP, HEALTH_SUSPECT, VERDICT_REFUSED, "connection refused");
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_REFUSED, "connection refused");
	assert_int_equal(health_totals(f->health).idle, 0);
	assert_int_equal(health_totals(f->health).backends, 1);
	health_remove(f->health, ID);
	assert_int_equal(health_totals(f->health).backends, 0);
}

/* A doubt is cleared also when nobody asks; then it rests in whichever state that is. */
static void test_idle_but_in_doubt(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_TCP);
	struct fixture *f = *arg;
	struct health_target target;
	uint64_t last_used = 0, end;

	assert_true(server_bind(&f->server, "127.0.0.1"));
	target = target_of(f, HEALTH_UNKNOWN);
	target.last_used = &last_used;
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	expect_change(f, HEALTH_UNKNOWN, HEALTH_SUSPECT, VERDICT_REFUSED, "connection refused");
	expect_change(f, HEALTH_SUSPECT, HEALTH_DOWN, VERDICT_REFUSED, "connection refused");
	server_listen(&f->server);
	end = clock_now() + 700 * NSEC_PER_MSEC;
	run_until(f, clock_now() > end);
	assert_int_equal(view_of(f).probes, 2);
	last_used = clock_now();
	expect_change(f, HEALTH_DOWN, HEALTH_RECOVERING, VERDICT_OK, "connected");
	expect_change(f, HEALTH_RECOVERING, HEALTH_UP, VERDICT_OK, "connected");
}

static void on_wanted(void *arg, uint32_t id)
{
	struct fixture *f = arg;

	assert_int_equal(id, ID);
	f->wanted++;
}

/* Once, when it is used for the first time; at once if it is in demand from the beginning. */
static void test_wanted(void **arg)
{
	struct probe_spec spec = spec_of(PROBE_TCP);
	struct fixture *f = *arg;
	struct health_target target;
	uint64_t last_used = 0;

	health_set_wanted(f->health, on_wanted);
	server_open(&f->server, 200);
	target = target_of(f, HEALTH_UNKNOWN);
	target.last_used = &last_used;
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	run_for_probes(f, 1);
	assert_int_equal(f->wanted, 0);
	last_used = clock_now();
	run_until(f, f->wanted);
	run_for_probes(f, 3);
	assert_int_equal(f->wanted, 1);
	health_remove(f->health, ID);
	assert_int_equal(health_add(f->health, &target, &spec), 0);
	assert_int_equal(f->wanted, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_idle_until_it_is_used),
		unit(test_idle_but_in_doubt),
		unit(test_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF core of the choice, compiled natively: the same source as in the kernel, with the maps
 * as plain memory, so that it runs under sanitizers and against a naive model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "choose_fixture.h"

#include "datapath/dp_snapshot.h"

/* How often each of the first n backends is chosen in `draws` draws. */
static void draw_many(unsigned int draws, unsigned int *counts, unsigned int n)
{
	memset(counts, 0, n * sizeof(*counts));
	for (unsigned int i = 0; i < draws; i++) {
		__u32 backend = choose(CHOICE_BACKEND).backend;

		assert_in_range(backend, 1, n);
		counts[backend - 1]++;
	}
}

static void test_unknown_frontend_is_not_ours(void **state)
{
	(void)state;
	frontend_exists = false;
	choose(CHOICE_NOT_OURS);
	assert_int_equal(services[SERVICE].last_used, 0);
}

static void test_choice_is_uniform(void **state)
{
	unsigned int counts[4];

	(void)state;
	serve(4, 0);
	draw_many(40000, counts, 4);
	/* 10000 each, six standard deviations of 87. */
	for (int i = 0; i < 4; i++)
		assert_in_range(counts[i], 9480, 10520);
	assert_int_equal(load[1].connects, counts[0]);
	assert_int_equal(services[SERVICE].last_used, now);
}

static void test_share_of_a_backend_that_is_down_spreads(void **state)
{
	unsigned int counts[4];

	(void)state;
	serve(4, 0);
	backends[2].health = SW_HEALTH_DOWN;
	draw_many(30000, counts, 4);
	assert_int_equal(counts[1], 0);
	/* A scan finds its successor in one of 256 cases: that is all the inequality there may be. */
	assert_in_range(counts[0], 9400, 10600);
	assert_in_range(counts[2], 9400, 10700);
	assert_in_range(counts[3], 9400, 10600);
}

static void test_tiers_in_order(void **state)
{
	static const struct {
		__u32 health;
		bool ejected;
	} worse_and_worse[] = {
		{SW_HEALTH_UP, false},   {SW_HEALTH_SUSPECT, false}, {SW_HEALTH_UP, true},
		{SW_HEALTH_DOWN, false}, {SW_HEALTH_REFUSED, false},
	};

	(void)state;
	serve(5, 0);
	for (unsigned int i = 0; i < 5; i++) {
		backends[i + 1].health = worse_and_worse[i].health;
		backends[i + 1].ejected_until = worse_and_worse[i].ejected ? now + 1 : 0;
	}
	for (unsigned int best = 1; best <= 5; best++) {
		for (int i = 0; i < 200; i++)
			assert_int_equal(choose(CHOICE_BACKEND).backend, best);
		slots[BASE + best - 1].backend = 0;
	}
	choose(CHOICE_REFUSE);
}

static void test_terminating_is_between_down_and_refused(void **state)
{
	(void)state;
	serve(1, 1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(choose(CHOICE_BACKEND).backend, 1);
	backends[1].health = SW_HEALTH_DOWN;
	for (int i = 0; i < 100; i++)
		assert_int_equal(choose(CHOICE_BACKEND).backend, 1);
	backends[1].health = SW_HEALTH_REFUSED;
	for (int i = 0; i < 100; i++)
		assert_int_equal(choose(CHOICE_BACKEND).backend, 2);
}

static void test_ejection_ends_by_itself(void **state)
{
	unsigned int counts[2];

	(void)state;
	serve(2, 0);
	backends[1].ejected_until = now + 1;
	draw_many(200, counts, 2);
	assert_int_equal(counts[0], 0);
	now += 1;
	draw_many(200, counts, 2);
	assert_int_not_equal(counts[0], 0);
}

/* A tenth of its share at first, all of it at last; and everything if it is the only one. */
static void test_slow_start(void **state)
{
	static const struct {
		unsigned int percent; /* of its time */
		unsigned int share;   /* expected, of 20000 */
	} moments[] = {{0, 1000}, {50, 5500}, {100, 10000}, {1000, 10000}};
	const __u64 start = now, unit = 1ULL << SW_WARMUP_SHIFT;
	unsigned int counts[2];

	(void)state;
	serve(2, 0);
	backends[1].warmup = 2000;
	backends[1].changed = start;
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		now = start + 20 * unit * moments[i].percent;
		config.heartbeat = now;
		draw_many(20000, counts, 2);
		/* Six standard deviations of at most 71. */
		assert_in_range(counts[0], moments[i].share - 426, moments[i].share + 426);
	}
	/* It changed after this CPU had looked at its clock: the time has just begun, and is not over. */
	now = start;
	backends[1].changed = now + 1;
	draw_many(20000, counts, 2);
	assert_in_range(counts[0], 1000 - 426, 1000 + 426);
	backends[2].health = SW_HEALTH_DOWN;
	draw_many(200, counts, 2);
	assert_int_equal(counts[0], 200);
}

/* Half of its share if some of its responses fail; all of it if all are like that. */
static void test_lowered(void **state)
{
	unsigned int counts[4];

	(void)state;
	serve(4, 0);
	backends[2].lowered = 1;
	draw_many(20000, counts, 4);
	/* Six standard deviations of at most 64. */
	assert_in_range(counts[1], 2500 - 384, 2500 + 384);
	assert_in_range(counts[2], 5833 - 384, 5833 + 384);
	for (__u32 i = 1; i <= 4; i++)
		backends[i].lowered = 1;
	draw_many(20000, counts, 4);
	assert_in_range(counts[1], 5000 - 384, 5000 + 384);
	for (__u32 i = 1; i <= 4; i++)
		backends[i].health = i == 2 ? SW_HEALTH_UP : SW_HEALTH_DOWN;
	draw_many(200, counts, 4);
	assert_int_equal(counts[1], 200);
}

/* The connection that tries it out keeps others away, until its time is over. */
static void test_one_connection_tries_out_what_was_ejected(void **state)
{
	(void)state;
	serve(1, 0);
	backends[1].trial = SW_TRIAL_DUE;
	backends[1].ejected_until = now + 1;
	assert_int_equal(choose(CHOICE_BACKEND).rank, RANK_EJECTED);
	assert_int_equal(backends[1].trial, SW_TRIAL_DUE);
	now++;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(choose(CHOICE_BACKEND).rank, RANK_USABLE);
		assert_int_equal(backends[1].trial, SW_TRIAL_BEGUN);
		assert_int_equal(choose(CHOICE_BACKEND).rank, RANK_EJECTED);
		now += TRIAL_TIME;
	}
}

static void test_round_robin(void **state)
{
	(void)state;
	serve(5, 0);
	services[SERVICE].policy.balance = SW_BALANCE_ROUND_ROBIN;
	for (int i = 0; i < 1000; i++)
		choose(CHOICE_BACKEND);
	for (__u32 i = 1; i <= 5; i++)
		assert_int_equal(load[i].connects, 200);
	/* Who is out has no turn. */
	backends[2].health = SW_HEALTH_DOWN;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(choose(CHOICE_BACKEND).rank, RANK_USABLE);
	assert_int_equal(load[2].connects, 200);
}

/* Each connection stays open: then the numbers stay close together. */
static void test_least_connections(void **state)
{
	__u32 most = 0, least = UINT32_MAX;

	(void)state;
	serve(10, 0);
	services[SERVICE].policy.balance = SW_BALANCE_LEAST_CONN;
	load[3].open = 1000;
	for (int i = 0; i < 9000; i++)
		load[choose(CHOICE_BACKEND).backend].open++;
	for (__u32 i = 1; i <= 10; i++) {
		if (i == 3)
			continue;
		most = load[i].open > most ? load[i].open : most;
		least = load[i].open < least ? load[i].open : least;
	}
	assert_true(most - least < 10);
	assert_true(load[3].open < 1100);
	/* The only one, and one that is out. */
	serve(2, 0);
	load[1].open = 100;
	backends[2].health = SW_HEALTH_DOWN;
	for (int i = 0; i < 100; i++)
		assert_int_equal(choose(CHOICE_BACKEND).backend, 1);
	serve(1, 0);
	assert_int_equal(choose(CHOICE_BACKEND).backend, 1);
}

static void test_verdicts_of_a_dead_daemon_are_ignored(void **state)
{
	unsigned int counts[2];

	(void)state;
	serve(2, 0);
	frontend.usable = 1;
	backends[2].health = SW_HEALTH_DOWN;
	now = config.heartbeat + SW_HEARTBEAT_TIMEOUT - 1;
	draw_many(200, counts, 2);
	assert_int_equal(counts[1], 0);
	now += 1;
	draw_many(200, counts, 2);
	assert_int_not_equal(counts[0], 0);
	assert_int_not_equal(counts[1], 0);
}

static void test_no_endpoints_is_refused_and_counted(void **state)
{
	(void)state;
	choose(CHOICE_REFUSE);
	choose(CHOICE_REFUSE);
	assert_int_equal(services[SERVICE].refused, 2);
}

static void test_element_given_to_another_service_is_absent(void **state)
{
	(void)state;
	serve(2, 0);
	backends[1].service = SERVICE + 1;
	for (int i = 0; i < 100; i++)
		assert_int_equal(choose(CHOICE_BACKEND).backend, 2);
	slots[BASE + 1].backend = BACKENDS + 5;
	choose(CHOICE_REFUSE);
}

static void test_element_of_another_frontend_is_not_ours(void **state)
{
	(void)state;
	serve(2, 0);
	wrong_check = 1;
	choose(CHOICE_NOT_OURS);
}

/* The rank that the rules give, written down once more without cleverness. */
static __u32 naive_rank(__u32 position)
{
	const struct sw_backend *backend = &backends[slots[BASE + position].backend];
	bool trusted = now < config.heartbeat + SW_HEARTBEAT_TIMEOUT;
	__u32 rank = RANK_USABLE;

	if (!slots[BASE + position].backend || backend->service != SERVICE ||
	    backend->health == SW_HEALTH_FREE)
		return RANK_ABSENT;
	if (trusted && backend->health == SW_HEALTH_SUSPECT)
		rank = RANK_SUSPECT;
	if (trusted && backend->health == SW_HEALTH_DOWN)
		rank = RANK_DOWN;
	if (trusted && backend->health == SW_HEALTH_REFUSED)
		rank = RANK_REFUSED;
	if (backend->suspect_until > now && rank < RANK_SUSPECT)
		rank = RANK_SUSPECT;
	if (backend->ejected_until > now && rank < RANK_EJECTED)
		rank = RANK_EJECTED;
	if (position >= frontend.ready && rank < RANK_TERMINATING)
		rank = RANK_TERMINATING;
	return rank;
}

static void random_state(unsigned int round)
{
	__u32 n;

	setup(NULL);
	seed = round;
	serve(fake_random() % 10, fake_random() % 7);
	n = frontend.ready + frontend.terminating;
	frontend.usable = frontend.ready ? fake_random() % (frontend.ready + 1) : 0;
	for (__u32 i = 0; i < n; i++) {
		backends[i + 1].health = fake_random() % (SW_HEALTH_REFUSED + 1);
		backends[i + 1].ejected_until = fake_random() % 4 ? 0 : now + 1;
		backends[i + 1].suspect_until = fake_random() % 4 ? 0 : now + 1;
		if (!(fake_random() % 8))
			backends[i + 1].service = SERVICE + 1;
		if (!(fake_random() % 8))
			slots[BASE + i].backend = 0;
	}
	if (!(fake_random() % 4))
		config.heartbeat = 0;
}

/* Up to CHOOSE_SCAN slots the best tier is always found. */
static void test_random_states_against_a_naive_model(void **state)
{
	(void)state;
	for (unsigned int round = 1; round <= 20000; round++) {
		__u32 best = RANK_ABSENT, n;
		struct choice choice;

		random_state(round);
		n = frontend.ready + frontend.terminating;
		for (__u32 i = 0; i < n; i++) {
			if (naive_rank(i) < best)
				best = naive_rank(i);
		}
		choice = choose(best == RANK_ABSENT ? CHOICE_REFUSE : CHOICE_BACKEND);
		assert_int_equal(choice.rank, best);
		if (best != RANK_ABSENT)
			assert_int_equal(choice.port, backends[choice.backend].port);
	}
}

static const struct asker has_second = {.backend = 2};

static void test_an_asker_stays_while_its_backend_lives(void **state)
{
	(void)state;
	serve(10, 2);
	for (int i = 0; i < 100; i++)
		assert_int_equal(choose_for(&has_second, CHOICE_BACKEND).backend, 2);
	backends[2].health = SW_HEALTH_SUSPECT;
	for (int i = 0; i < 100; i++)
		assert_int_equal(choose_for(&has_second, CHOICE_BACKEND).backend, 2);
	/* Staying is no connection, but it is use. */
	assert_int_equal(load[2].connects, 0);
	assert_int_equal(services[SERVICE].last_used, now);
	/* Another CPU was a moment later. */
	services[SERVICE].last_used = now + 1;
	choose_for(&has_second, CHOICE_BACKEND);
	assert_int_equal(services[SERVICE].last_used, now + 1);
}

static void test_an_asker_stays_with_what_terminates(void **state)
{
	const struct asker asker = {.backend = 12};

	(void)state;
	serve(10, 2);
	assert_int_equal(choose_for(&asker, CHOICE_BACKEND).backend, 12);
}

static void test_an_asker_leaves_what_is_down(void **state)
{
	(void)state;
	serve(3, 0);
	backends[2].health = SW_HEALTH_DOWN;
	for (int i = 0; i < 50; i++)
		assert_int_not_equal(choose_for(&has_second, CHOICE_BACKEND).backend, 2);
	assert_int_equal(load[1].connects + load[3].connects, 50);
	/* All are: then it might as well stay. */
	backends[1].health = backends[3].health = SW_HEALTH_DOWN;
	for (int i = 0; i < 50; i++)
		assert_int_equal(choose_for(&has_second, CHOICE_BACKEND).backend, 2);
}

static void test_an_asker_leaves_what_is_gone(void **state)
{
	(void)state;
	for (unsigned int what = 0; what < 4; what++) {
		setup(NULL);
		serve(1, 0);
		backends[2] = (struct sw_backend){
			.port = 8001, .service = SERVICE, .health = SW_HEALTH_UP};
		assert_int_equal(choose_for(&has_second, CHOICE_BACKEND).backend, 2);
		if (what == 0)
			backends[2].health = SW_HEALTH_FREE;
		else if (what == 1)
			backends[2].service = SERVICE + 1;
		else if (what == 2)
			backends[2].retired = 1;
		else
			backends[2].generation++;
		assert_int_equal(choose_for(&has_second, CHOICE_BACKEND).backend, 1);
	}
}

static void test_what_was_just_tried_is_avoided_if_another_is_as_good(void **state)
{
	const struct asker asker = {.tried = 2, .tried_service = SERVICE};
	const struct asker elsewhere = {.tried = 2, .tried_service = SERVICE + 1};
	unsigned int same = 0;

	(void)state;
	serve(2, 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(choose_for(&asker, CHOICE_BACKEND).backend, 1);
		same += choose_for(&elsewhere, CHOICE_BACKEND).backend == 2;
	}
	assert_in_range(same, 20, 80);
	backends[1].health = SW_HEALTH_DOWN;
	for (int i = 0; i < 100; i++)
		assert_int_equal(choose_for(&asker, CHOICE_BACKEND).backend, 2);
	setup(NULL);
	serve(1, 0);
	assert_int_equal(
		choose_for(&(struct asker){.tried = 1, .tried_service = SERVICE}, CHOICE_BACKEND)
			.backend,
		1);
}

/* The rank that swervectl shows for the one backend there is. */
static __u32 shown_rank(void)
{
	struct dp_maps maps = {.services = services,
			       .slots = slots,
			       .backends = backends,
			       .backend_load = load,
			       .config = &config};
	struct dp_frontend_entry entry = {.key = frontend_key, .value = frontend};
	struct dp_frontend_entries entries = {.items = &entry, .len = 1, .cap = 1};
	struct dp_snapshot snapshot;
	__u32 rank = RANK_ABSENT;

	snprintf(services[SERVICE].name, sizeof(services[SERVICE].name), "default/web:80/tcp");
	assert_int_equal(dp_snapshot_take(&maps, &entries, now, &snapshot), 0);
	assert_int_equal(snapshot.services.len, 1);
	if (snapshot.services.items[0].backends.len)
		rank = snapshot.services.items[0].backends.items[0].rank;
	dp_snapshot_done(&snapshot);
	return rank;
}

/* The order is written down twice, for the kernel and for people: every input must give the same. */
static void test_swervectl_shows_the_rank_that_counts(void **state)
{
	(void)state;
	for (unsigned int input = 0; input < 16 * (SW_HEALTH_REFUSED + 1); input++) {
		setup(NULL);
		serve(!(input & 1), input & 1);
		backends[1].health = input / 16;
		backends[1].suspect_until = input & 8 ? now + 1 : 0;
		backends[1].ejected_until = input & 2 ? now + 1 : 0;
		config.heartbeat = input & 4 ? 0 : now;
		if (backends[1].health == SW_HEALTH_FREE)
			choose(CHOICE_REFUSE);
		else
			assert_int_equal(choose(CHOICE_BACKEND).rank, shown_rank());
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_unknown_frontend_is_not_ours, setup),
		cmocka_unit_test_setup(test_choice_is_uniform, setup),
		cmocka_unit_test_setup(test_share_of_a_backend_that_is_down_spreads, setup),
		cmocka_unit_test_setup(test_tiers_in_order, setup),
		cmocka_unit_test_setup(test_terminating_is_between_down_and_refused, setup),
		cmocka_unit_test_setup(test_ejection_ends_by_itself, setup),
		cmocka_unit_test_setup(test_slow_start, setup),
		cmocka_unit_test_setup(test_lowered, setup),
		cmocka_unit_test_setup(test_one_connection_tries_out_what_was_ejected, setup),
		cmocka_unit_test_setup(test_round_robin, setup),
		cmocka_unit_test_setup(test_least_connections, setup),
		cmocka_unit_test_setup(test_verdicts_of_a_dead_daemon_are_ignored, setup),
		cmocka_unit_test_setup(test_no_endpoints_is_refused_and_counted, setup),
		cmocka_unit_test_setup(test_element_given_to_another_service_is_absent, setup),
		cmocka_unit_test_setup(test_element_of_another_frontend_is_not_ours, setup),
		cmocka_unit_test_setup(test_an_asker_stays_while_its_backend_lives, setup),
		cmocka_unit_test_setup(test_an_asker_stays_with_what_terminates, setup),
		cmocka_unit_test_setup(test_an_asker_leaves_what_is_down, setup),
		cmocka_unit_test_setup(test_an_asker_leaves_what_is_gone, setup),
		cmocka_unit_test_setup(test_what_was_just_tried_is_avoided_if_another_is_as_good,
				       setup),
		cmocka_unit_test_setup(test_swervectl_shows_the_rank_that_counts, setup),
		cmocka_unit_test_setup(test_random_states_against_a_naive_model, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

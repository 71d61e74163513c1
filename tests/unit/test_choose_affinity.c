/* SPDX-License-Identifier: Apache-2.0 */
/* Session affinity by client: kube-proxy's rules, and where they give way to health. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "choose_fixture.h"

#define SECOND 1000000000ULL

/* The client's next connection; returns the backend. */
static __u32 connect_as(__u64 client)
{
	const struct asker asker = {.client = client};

	return choose_for(&asker, CHOICE_BACKEND).backend;
}

static void pin_for(__u32 seconds)
{
	services[SERVICE].policy.affinity_timeout = seconds;
}

static void test_without_affinity_a_client_goes_anywhere(void **state)
{
	unsigned int other = 0;

	(void)state;
	serve(8, 0);
	for (int i = 0; i < 50; i++)
		other += connect_as(7) != connect_as(7);
	assert_in_range(other, 25, 50);
}

static void test_a_client_stays_and_clients_spread(void **state)
{
	unsigned int counts[9] = {};

	(void)state;
	serve(8, 0);
	pin_for(10800);
	for (__u64 client = 1; client <= 200; client++) {
		__u32 backend = connect_as(client);

		counts[backend]++;
		for (int i = 0; i < 5; i++)
			assert_int_equal(connect_as(client), backend);
	}
	for (int i = 1; i <= 8; i++)
		assert_in_range(counts[i], 10, 45);
}

static void test_each_connection_renews_it(void **state)
{
	__u32 backend;

	(void)state;
	serve(8, 0);
	pin_for(10);
	backend = connect_as(7);
	for (int i = 0; i < 20; i++) {
		now += 10 * SECOND - 1;
		assert_int_equal(connect_as(7), backend);
	}
}

/* Kubernetes' test of the time-out wants more than one endpoint in ten times. */
static void test_a_client_moves_when_it_is_over(void **state)
{
	enum { TIMES = 80 };

	(void)state;
	serve(8, 0);
	pin_for(10);
	for (__u64 client = 1; client <= 20; client++) {
		__u32 last = connect_as(client);
		unsigned int counts[9] = {}, moved = 0;

		for (int i = 0; i < TIMES; i++) {
			__u32 backend;

			now += 10 * SECOND;
			backend = connect_as(client);
			assert_int_equal(connect_as(client), backend);
			counts[backend]++;
			moved += backend != last;
			last = backend;
		}
		assert_in_range(moved, TIMES * 3 / 4, TIMES);
		for (int i = 1; i <= 8; i++)
			assert_in_range(counts[i], 1, TIMES / 3);
	}
}

/* How many of so many ends of the time-out make the client go elsewhere. */
static unsigned int count_moves(__u32 seconds, int times)
{
	__u32 last = connect_as(7);
	unsigned int moved = 0;

	for (int i = 0; i < times; i++) {
		__u32 backend;

		now += seconds * SECOND - 1;
		assert_int_equal(connect_as(7), last);
		now += seconds * SECOND;
		backend = connect_as(7);
		moved += backend != last;
		last = backend;
	}
	return moved;
}

static void test_the_longest_and_the_shortest_timeout(void **state)
{
	static const __u32 seconds[] = {1, 86400};

	(void)state;
	for (int i = 0; i < 2; i++) {
		setup(NULL);
		serve(8, 0);
		pin_for(seconds[i]);
		assert_in_range(count_moves(seconds[i], 40), 25, 40);
	}
}

static void test_it_gives_way_to_health(void **state)
{
	__u32 first, second;

	(void)state;
	serve(8, 0);
	pin_for(10800);
	first = connect_as(7);
	backends[first].health = SW_HEALTH_SUSPECT;
	assert_int_equal(connect_as(7), first);
	backends[first].health = SW_HEALTH_DOWN;
	second = connect_as(7);
	assert_int_not_equal(second, first);
	/* And the client has its new backend for good. */
	backends[first].health = SW_HEALTH_UP;
	for (int i = 0; i < 20; i++)
		assert_int_equal(connect_as(7), second);
}

static void test_concurrent_first_connections_meet(void **state)
{
	(void)state;
	serve(8, 0);
	pin_for(10800);
	for (__u64 client = 1; client <= 50; client++) {
		__u32 backend = connect_as(client), again;

		/* As if another CPU had not seen it yet; also when it has to be pinned anew. */
		memset(affinities, 0, sizeof(affinities));
		assert_int_equal(connect_as(client), backend);
		backends[backend].health = SW_HEALTH_DOWN;
		memset(affinities, 0, sizeof(affinities));
		again = connect_as(client);
		memset(affinities, 0, sizeof(affinities));
		assert_int_equal(connect_as(client), again);
		backends[backend].health = SW_HEALTH_UP;
	}
}

/* The same when an old pin is over, or its backend is out. */
static void test_concurrent_later_connections_meet(void **state)
{
	(void)state;
	serve(8, 0);
	pin_for(10);
	for (int i = 0; i < 50; i++) {
		__typeof__(affinities) seen;
		__u32 backend;

		backend = connect_as(7);
		if (i % 2)
			backends[backend].health = SW_HEALTH_DOWN;
		else
			now += 10 * SECOND;
		memcpy(seen, affinities, sizeof(seen));
		backend = connect_as(7);
		memcpy(affinities, seen, sizeof(seen));
		now += 1000;
		assert_int_equal(connect_as(7), backend);
		for (int b = 1; b <= 8; b++)
			backends[b].health = SW_HEALTH_UP;
	}
}

/* How many of twenty clients leave a backend that is retired, or another one by now. */
static unsigned int count_leaving(__u32 generations)
{
	unsigned int left = 0;

	for (__u64 client = 1; client <= 20; client++) {
		__u32 backend;

		setup(NULL);
		serve(8, 0);
		pin_for(10800);
		backend = connect_as(client);
		backends[backend].generation += generations;
		backends[backend].retired = !generations;
		left += connect_as(client) != backend;
	}
	return left;
}

static void test_it_ends_when_the_endpoint_does(void **state)
{
	(void)state;
	/* The last slot: it terminates now, as kube-proxy drops it from the list. */
	serve(8, 0);
	pin_for(10800);
	connect_as(7);
	fake_affinity(&(struct sw_affinity_key){.client = 7, .service = SERVICE})->backend = 8;
	assert_int_equal(connect_as(7), 8);
	frontend.ready = frontend.usable = 7;
	frontend.terminating = 1;
	assert_int_not_equal(connect_as(7), 8);
	assert_in_range(count_leaving(0), 12, 20);
	assert_in_range(count_leaving(1), 12, 20);
}

/* Another frontend of the same service port, which a traffic policy gives some endpoints only. */
static void test_it_holds_for_endpoints_of_the_frontend_only(void **state)
{
	__u32 first;

	(void)state;
	serve(8, 0);
	pin_for(10800);
	first = connect_as(7);
	frontend.slot_base = BASE + 8;
	frontend.ready = frontend.usable = 1;
	slots[BASE + 8].backend = first % 8 + 1;
	assert_int_equal(connect_as(7), first % 8 + 1);
	/* And shared where both have it. */
	frontend.slot_base = BASE;
	frontend.ready = frontend.usable = 8;
	assert_int_equal(connect_as(7), first % 8 + 1);
}

static void test_large_services_keep_it_when_slots_are_ordered_anew(void **state)
{
	__u32 first;

	(void)state;
	serve(200, 0);
	pin_for(10800);
	first = connect_as(7);
	for (__u32 i = 0; i < 200; i++)
		slots[BASE + i].backend = 200 - i;
	assert_int_equal(connect_as(7), first);
}

static void test_nothing_is_pinned_without_an_endpoint(void **state)
{
	(void)state;
	pin_for(10800);
	assert_int_equal(choose_for(&(struct asker){.client = 7}, CHOICE_REFUSE).backend, 0);
	assert_null(fake_affinity(&(struct sw_affinity_key){.client = 7, .service = SERVICE}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_without_affinity_a_client_goes_anywhere, setup),
		cmocka_unit_test_setup(test_a_client_stays_and_clients_spread, setup),
		cmocka_unit_test_setup(test_each_connection_renews_it, setup),
		cmocka_unit_test_setup(test_a_client_moves_when_it_is_over, setup),
		cmocka_unit_test_setup(test_the_longest_and_the_shortest_timeout, setup),
		cmocka_unit_test_setup(test_it_gives_way_to_health, setup),
		cmocka_unit_test_setup(test_concurrent_first_connections_meet, setup),
		cmocka_unit_test_setup(test_concurrent_later_connections_meet, setup),
		cmocka_unit_test_setup(test_it_ends_when_the_endpoint_does, setup),
		cmocka_unit_test_setup(test_it_holds_for_endpoints_of_the_frontend_only, setup),
		cmocka_unit_test_setup(test_large_services_keep_it_when_slots_are_ordered_anew,
				       setup),
		cmocka_unit_test_setup(test_nothing_is_pinned_without_an_endpoint, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

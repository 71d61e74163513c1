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
	unsigned int moved = 0;
	__u32 backend;

	(void)state;
	serve(8, 0);
	pin_for(10);
	/* Pinned to another one than its own numbers would lead to, so that an end shows. */
	backend = connect_as(7) % 8 + 1;
	fake_affinity(&(struct sw_affinity_key){.client = 7, .service = SERVICE})->backend =
		backend;
	for (int i = 0; i < 20; i++) {
		now += 10 * SECOND - 1;
		assert_int_equal(connect_as(7), backend);
	}
	now += 10 * SECOND;
	moved += connect_as(7) != backend;
	assert_int_equal(moved, 1);
}

static void test_the_longest_and_the_shortest_timeout(void **state)
{
	static const __u32 seconds[] = {1, 86400};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sw_affinity_key key = {.client = 7, .service = SERVICE};
		__u32 backend;

		setup(NULL);
		serve(8, 0);
		pin_for(seconds[i]);
		backend = connect_as(7) % 8 + 1;
		fake_affinity(&key)->backend = backend;
		now += seconds[i] * SECOND - 1;
		assert_int_equal(connect_as(7), backend);
		now += seconds[i] * SECOND;
		assert_int_not_equal(connect_as(7), backend);
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

static void test_it_ends_when_the_endpoint_does(void **state)
{
	__u32 first;

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
	/* Retired, and given to another one. */
	for (int i = 0; i < 2; i++) {
		setup(NULL);
		serve(8, 0);
		pin_for(10800);
		first = connect_as(7);
		fake_affinity(&(struct sw_affinity_key){.client = 7, .service = SERVICE})->backend =
			first % 8 + 1;
		if (i)
			backends[first % 8 + 1].generation++;
		else
			backends[first % 8 + 1].retired = 1;
		assert_int_equal(connect_as(7), first);
	}
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
		cmocka_unit_test_setup(test_the_longest_and_the_shortest_timeout, setup),
		cmocka_unit_test_setup(test_it_gives_way_to_health, setup),
		cmocka_unit_test_setup(test_concurrent_first_connections_meet, setup),
		cmocka_unit_test_setup(test_it_ends_when_the_endpoint_does, setup),
		cmocka_unit_test_setup(test_it_holds_for_endpoints_of_the_frontend_only, setup),
		cmocka_unit_test_setup(test_large_services_keep_it_when_slots_are_ordered_anew,
				       setup),
		cmocka_unit_test_setup(test_nothing_is_pinned_without_an_endpoint, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

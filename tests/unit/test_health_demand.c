/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_demand.h"

#include "base/container_of.h"
#include "base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SERVICES = 8, MEMBERS = 32, ROUNDS = 20000 };

#define TTL   (60 * NSEC_PER_SEC)
#define START (1000 * NSEC_PER_SEC)

struct fixture {
	struct health_demand *demand;
	uint64_t last_used[SERVICES];
	struct demand_member members[MEMBERS];
	unsigned int woken[MEMBERS];
};

static int setup(void **arg)
{
	static struct fixture fixture;

	fixture = (struct fixture){};
	assert_int_equal(health_demand_new(TTL, &fixture.demand), 0);
	*arg = &fixture;
	return 0;
}

static int teardown(void **arg)
{
	struct fixture *f = *arg;

	for (int i = 0; i < MEMBERS; i++)
		health_demand_leave(f->demand, &f->members[i]);
	assert_int_equal(health_demand_groups(f->demand), 0);
	assert_int_equal(health_demand_idle(f->demand), 0);
	health_demand_free(f->demand);
	return 0;
}

static void on_wake(void *arg, struct demand_member *member)
{
	struct fixture *f = arg;

	f->woken[member - f->members]++;
}

static void scan(struct fixture *f, uint64_t now)
{
	health_demand_scan(f->demand, now, on_wake, f);
}

static void join(struct fixture *f, int member, int service, uint64_t now)
{
	assert_int_equal(
		health_demand_join(f->demand, &f->members[member], &f->last_used[service], now), 0);
}

static void test_wakes_the_members_of_what_is_used(void **arg)
{
	struct fixture *f = *arg;

	join(f, 0, 0, START);
	join(f, 1, 0, START);
	join(f, 2, 1, START);
	assert_int_equal(health_demand_groups(f->demand), 2);
	assert_int_equal(health_demand_idle(f->demand), 3);
	scan(f, START);
	assert_int_equal(f->woken[0] + f->woken[1] + f->woken[2], 0);
	f->last_used[0] = START + 1;
	assert_false(health_demand_has(&f->members[0]));
	scan(f, START + 2);
	assert_true(health_demand_has(&f->members[0]));
	assert_false(health_demand_has(&f->members[2]));
	assert_int_equal(health_demand_idle(f->demand), 1);
	scan(f, START + 3);
	assert_int_equal(f->woken[0], 1);
	assert_int_equal(f->woken[1], 1);
	assert_int_equal(f->woken[2], 0);
}

static void test_demand_ends_and_begins_again(void **arg)
{
	struct fixture *f = *arg;

	f->last_used[0] = START;
	join(f, 0, 0, START);
	assert_true(health_demand_has(&f->members[0]));
	scan(f, START + TTL - 1);
	assert_true(health_demand_has(&f->members[0]));
	scan(f, START + TTL);
	assert_false(health_demand_has(&f->members[0]));
	assert_int_equal(health_demand_idle(f->demand), 1);
	assert_int_equal(f->woken[0], 0);
	f->last_used[0] = START + 2 * TTL;
	scan(f, START + 2 * TTL - 1); /* sampled before the kernel wrote */
	assert_true(health_demand_has(&f->members[0]));
	assert_int_equal(f->woken[0], 1);
}

static void test_without_a_service_or_a_ttl_always(void **arg)
{
	struct fixture *f = *arg;
	struct health_demand *always;
	struct demand_member member = {};

	assert_int_equal(health_demand_join(f->demand, &f->members[0], NULL, START), 0);
	assert_true(health_demand_has(&f->members[0]));
	assert_int_equal(health_demand_groups(f->demand), 0);

	assert_int_equal(health_demand_new(0, &always), 0);
	assert_int_equal(health_demand_join(always, &member, &f->last_used[0], START), 0);
	assert_true(health_demand_has(&member));
	health_demand_leave(always, &member);
	health_demand_free(always);
}

static unsigned int random_next(unsigned int *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16;
}

/* Members come and go at random; what the groups say is what each service's number says. */
static void test_random_changes(void **arg)
{
	struct fixture *f = *arg;
	int service_of[MEMBERS];
	unsigned int random = 42;
	uint64_t now = START;

	for (int round = 0; round < ROUNDS; round++) {
		unsigned int member = random_next(&random) % MEMBERS;
		unsigned int service = random_next(&random) % SERVICES;
		size_t idle = 0;

		now += TTL / 16;
		if (f->members[member].group) {
			health_demand_leave(f->demand, &f->members[member]);
		} else {
			join(f, (int)member, (int)service, now);
			service_of[member] = (int)service;
		}
		f->last_used[random_next(&random) % SERVICES] = now;
		scan(f, now);
		for (int i = 0; i < MEMBERS; i++) {
			uint64_t last;

			if (!f->members[i].group)
				continue;
			last = f->last_used[service_of[i]];
			assert_int_equal(health_demand_has(&f->members[i]),
					 last && last + TTL > now);
			idle += !health_demand_has(&f->members[i]);
		}
		assert_int_equal(health_demand_idle(f->demand), idle);
	}
}

#define unit(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_wakes_the_members_of_what_is_used),
		unit(test_demand_ends_and_begins_again),
		unit(test_without_a_service_or_a_ttl_always),
		unit(test_random_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

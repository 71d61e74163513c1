/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_kernel.h"

#include "base/duration.h"
#include "datapath/dp_adopt.h"

#include <netinet/in.h>
#include <stdio.h>

enum { GRACE = 10 };

struct world {
	struct dp_table table;
	struct fake_kernel kernel;
	uint64_t now;
	unsigned int seed;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_int_equal(dp_table_init(&world->table), 0);
	fake_kernel_init(&world->kernel);
	world->seed = 1;
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	dp_table_done(&world->table);
	fake_kernel_done(&world->kernel);
	free(world);
	return 0;
}

/* Element n of the plan's port: address 10.244.n/256.n%256. */
static struct addr pod(unsigned int n)
{
	return (struct addr){
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 244, (uint8_t)(n / 256), (uint8_t)n}};
}

static struct addr cluster_ip(unsigned int n)
{
	return (struct addr){
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 96, (uint8_t)(n / 256), (uint8_t)n}};
}

static void plan_init(struct plan_port *port, const char *name)
{
	*port = (struct plan_port){.proto = IPPROTO_TCP};
	snprintf(port->name, sizeof(port->name), "%s", name);
}

static void plan_frontend(struct plan_port *port, unsigned int n)
{
	struct plan_frontend frontend = {.addr = cluster_ip(n), .port = 80};

	assert_int_equal(vec_push(&port->frontends, frontend), 0);
}

static void plan_pod(struct plan_port *port, unsigned int n, const char *uid)
{
	struct plan_endpoint endpoint = {
		.addr = pod(n), .port = 8080, .target = (char *)"", .uid = (char *)uid};

	assert_int_equal(vec_push(&port->endpoints, endpoint), 0);
}

static void plan_free(struct plan_port *port)
{
	vec_done(&port->frontends);
	vec_done(&port->endpoints);
}

static bool health_is_usable(const void *arg, uint32_t backend)
{
	const struct world *world = arg;

	return world->kernel.backends[backend].health <= SW_HEALTH_UP;
}

static bool never_take(const void *arg, const struct dp_port *owner,
		       const struct sw_frontend_key *key)
{
	(void)arg;
	(void)owner;
	(void)key;
	return false;
}

static bool always_take(const void *arg, const struct dp_port *owner,
			const struct sw_frontend_key *key)
{
	(void)arg;
	(void)owner;
	(void)key;
	return true;
}

static struct dp_policy policy(const struct world *world)
{
	return (struct dp_policy){.usable = health_is_usable, .may_take = never_take, .arg = world};
}

static void run_changes(struct world *world, struct dp_changes *changes)
{
	vec_foreach(&changes->ops, op) {
		fake_kernel_run(&world->kernel, op);
		fake_kernel_check(&world->kernel);
	}
}

static void expire(struct world *world)
{
	struct dp_release release;

	while (dp_table_next_due(&world->table, world->now, &release)) {
		fake_kernel_clear(&world->kernel, &release);
		fake_kernel_check(&world->kernel);
	}
}

/* Applies and returns the changes, which the caller frees. */
static struct dp_changes apply(struct world *world, const struct plan_port *port)
{
	struct dp_policy p = policy(world);
	struct dp_changes changes = {};

	assert_int_equal(dp_diff_port(&world->table, port, &p, world->now + GRACE, &changes), 0);
	run_changes(world, &changes);
	return changes;
}

static void apply_only(struct world *world, const struct plan_port *port)
{
	struct dp_changes changes = apply(world, port);

	dp_changes_done(&changes);
}

static const struct sw_frontend *kernel_frontend(const struct world *world, unsigned int n)
{
	struct addr addr = cluster_ip(n);
	struct sw_frontend_key key = {.addr = dp_sw_addr(&addr), .port = 80, .proto = IPPROTO_TCP};

	return hashmap_get(world->kernel.frontends, &key, sizeof(key));
}

static uint32_t slot(const struct world *world, const struct sw_frontend *frontend, uint32_t i)
{
	return world->kernel.slots[frontend->slot_base + i].backend;
}

static void check_serves(const struct world *world, const struct plan_port *port, unsigned int n);

static void test_first_plan_writes_in_order(void **state)
{
	struct world *world = *state;
	struct dp_changes changes;
	struct plan_port port;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	plan_pod(&port, 1, "a");
	plan_pod(&port, 2, "b");
	port.ready = 2;
	changes = apply(world, &port);
	assert_int_equal(changes.ops.len, 6);
	assert_int_equal(changes.ops.items[0].kind, DP_SET_SERVICE);
	assert_int_equal(changes.ops.items[1].kind, DP_SET_BACKEND);
	assert_int_equal(changes.ops.items[2].kind, DP_SET_BACKEND);
	assert_int_equal(changes.ops.items[3].kind, DP_SET_SLOT);
	assert_int_equal(changes.ops.items[4].kind, DP_SET_SLOT);
	assert_int_equal(changes.ops.items[5].kind, DP_SET_FRONTEND);
	assert_int_equal(changes.backends.len, 2);
	assert_true(changes.backends.items[1].added);
	assert_int_equal(changes.backends.items[1].endpoint, 1);
	dp_changes_done(&changes);
	plan_free(&port);
}

static void test_same_plan_does_nothing(void **state)
{
	struct world *world = *state;
	struct dp_changes changes;
	struct plan_port port;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	plan_pod(&port, 1, "a");
	port.ready = 1;
	apply_only(world, &port);
	changes = apply(world, &port);
	assert_int_equal(changes.ops.len, 0);
	assert_int_equal(changes.backends.len, 0);
	assert_int_equal(world->table.releases.len, 0);
	dp_changes_done(&changes);
	plan_free(&port);
}

static void test_new_pod_with_the_address_of_another_is_a_new_backend(void **state)
{
	struct world *world = *state;
	struct dp_changes changes;
	struct plan_port port;
	uint32_t before;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	plan_pod(&port, 1, "a");
	port.ready = 1;
	apply_only(world, &port);
	before = slot(world, kernel_frontend(world, 1), 0);
	world->kernel.backends[before].health = SW_HEALTH_DOWN;
	port.endpoints.items[0].uid = (char *)"b";
	changes = apply(world, &port);
	assert_int_not_equal(slot(world, kernel_frontend(world, 1), 0), before);
	assert_int_equal(world->kernel.backends[slot(world, kernel_frontend(world, 1), 0)].health,
			 SW_HEALTH_UNKNOWN);
	assert_int_equal(changes.backends.len, 2);
	dp_changes_done(&changes);
	plan_free(&port);
}

static void test_unusable_backends_go_behind(void **state)
{
	struct world *world = *state;
	const struct sw_frontend *frontend;
	struct plan_port port;
	uint32_t first;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	for (unsigned int i = 1; i <= 3; i++)
		plan_pod(&port, i, "");
	port.ready = 2; /* the third one is terminating */
	apply_only(world, &port);
	frontend = kernel_frontend(world, 1);
	assert_int_equal(frontend->usable, 2);
	assert_int_equal(frontend->terminating, 1);
	first = slot(world, frontend, 0);
	world->kernel.backends[first].health = SW_HEALTH_DOWN;
	apply_only(world, &port);
	frontend = kernel_frontend(world, 1);
	assert_int_equal(frontend->usable, 1);
	assert_int_equal(frontend->ready, 2);
	assert_int_equal(slot(world, frontend, 1), first);
	world->kernel.backends[first].health = SW_HEALTH_UP;
	apply_only(world, &port);
	assert_int_equal(kernel_frontend(world, 1)->usable, 2);
	plan_free(&port);
}

static void test_freed_elements_wait_for_the_grace_period(void **state)
{
	struct world *world = *state;
	struct dp_changes changes = {};
	struct plan_port port;
	uint32_t service;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	plan_pod(&port, 1, "");
	port.ready = 1;
	apply_only(world, &port);
	service = kernel_frontend(world, 1)->service;
	assert_int_equal(dp_diff_remove(&world->table, dp_table_port(&world->table, port.name),
					world->now + GRACE, &changes),
			 0);
	run_changes(world, &changes);
	dp_changes_done(&changes);
	assert_null(kernel_frontend(world, 1));
	assert_true(dp_ids_is_used(&world->table.services, service));
	world->now += GRACE - 1;
	expire(world);
	assert_true(dp_ids_is_used(&world->table.services, service));
	world->now += 1;
	expire(world);
	assert_false(dp_ids_is_used(&world->table.services, service));
	assert_int_equal(world->table.backends.count, 0);
	assert_int_equal(world->table.slots.free.len, 1);
	assert_int_equal(world->table.slots.free.items[0].count, SW_MAX_SLOTS);
	plan_free(&port);
}

static void test_frontend_of_another_service_is_a_conflict(void **state)
{
	struct world *world = *state;
	struct dp_changes changes;
	struct plan_port first, second;

	plan_init(&first, "default/first:80/tcp");
	plan_frontend(&first, 1);
	plan_init(&second, "default/second:80/tcp");
	plan_frontend(&second, 1);
	plan_frontend(&second, 2);
	apply_only(world, &first);
	changes = apply(world, &second);
	assert_int_equal(changes.conflicts, 1);
	assert_int_equal(kernel_frontend(world, 1)->service,
			 dp_table_port(&world->table, first.name)->service);
	assert_non_null(kernel_frontend(world, 2));
	dp_changes_done(&changes);
	assert_int_equal(dp_diff_remove(&world->table, dp_table_port(&world->table, first.name), 0,
					&changes),
			 0);
	run_changes(world, &changes);
	dp_changes_done(&changes);
	apply_only(world, &second);
	assert_int_equal(kernel_frontend(world, 1)->service,
			 dp_table_port(&world->table, second.name)->service);
	plan_free(&first);
	plan_free(&second);
}

/* The owner is planned after the new one, before it, or not at all any more. */
static void test_frontend_that_moves_is_handed_over_with_one_operation(void **state)
{
	struct world *world = *state;
	struct dp_policy p = policy(world);
	struct dp_changes changes = {};
	struct plan_port first, second;

	plan_init(&first, "default/first:80/tcp");
	plan_frontend(&first, 1);
	plan_frontend(&first, 2);
	plan_pod(&first, 1, "");
	first.ready = 1;
	plan_init(&second, "default/second:80/tcp");
	plan_frontend(&second, 1);
	plan_pod(&second, 2, "");
	second.ready = 1;
	apply_only(world, &first);
	p.may_take = always_take;
	assert_int_equal(dp_diff_port(&world->table, &second, &p, world->now + GRACE, &changes), 0);
	vec_foreach(&changes.ops, op)
		assert_int_not_equal(op->kind, DP_DELETE_FRONTEND);
	run_changes(world, &changes);
	dp_changes_done(&changes);
	assert_int_equal(kernel_frontend(world, 1)->service,
			 dp_table_port(&world->table, second.name)->service);
	assert_int_equal(kernel_frontend(world, 2)->service,
			 dp_table_port(&world->table, first.name)->service);
	/* Removing the former owner must not take the frontend with it. */
	assert_int_equal(dp_diff_remove(&world->table, dp_table_port(&world->table, first.name),
					world->now + GRACE, &changes),
			 0);
	run_changes(world, &changes);
	dp_changes_done(&changes);
	assert_null(kernel_frontend(world, 2));
	check_serves(world, &second, 1);
	plan_free(&first);
	plan_free(&second);
}

static void test_range_that_is_far_too_long_is_given_back(void **state)
{
	struct world *world = *state;
	struct plan_port port;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	for (unsigned int i = 0; i < 1000; i++)
		plan_pod(&port, i, "");
	port.ready = 1000;
	apply_only(world, &port);
	assert_int_equal(dp_table_port(&world->table, port.name)->slots.count, 1024);
	port.endpoints.len = port.ready = 1;
	apply_only(world, &port);
	assert_int_equal(dp_table_port(&world->table, port.name)->slots.count, 1);
	check_serves(world, &port, 1);
	plan_free(&port);
}

/* With one release after the other the queue is never empty, and must not grow all the same. */
static void test_queue_of_releases_does_not_grow(void **state)
{
	struct world *world = *state;
	struct plan_port port;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	plan_pod(&port, 1, "");
	port.ready = 1;
	for (unsigned int i = 0; i < 1000; i++) {
		port.endpoints.items[0].addr = pod(i);
		apply_only(world, &port);
		world->now += GRACE / 2;
		expire(world);
	}
	assert_true(world->table.releases.cap < 64);
	plan_free(&port);
}

static void test_full_map_leaves_the_port_as_it_was(void **state)
{
	struct world *world = *state;
	struct dp_policy p = policy(world);
	struct dp_changes changes = {};
	struct plan_port port;
	uint32_t id;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	plan_pod(&port, 1, "");
	port.ready = 1;
	apply_only(world, &port);
	while (!dp_ids_take(&world->table.backends, &id))
		;
	plan_pod(&port, 2, "");
	port.ready = 2;
	assert_int_equal(dp_diff_port(&world->table, &port, &p, 0, &changes), -ENOSPC);
	assert_int_equal(changes.ops.len, 0);
	assert_int_equal(dp_table_port(&world->table, port.name)->ready, 1);
	plan_free(&port);
	plan_init(&port, "default/other:80/tcp");
	plan_frontend(&port, 2);
	plan_pod(&port, 3, "");
	port.ready = 1;
	assert_int_equal(dp_diff_port(&world->table, &port, &p, 0, &changes), -ENOSPC);
	assert_null(dp_table_port(&world->table, port.name));
	assert_int_equal(world->table.services.count, 1);
	dp_changes_done(&changes);
	plan_free(&port);
}

/* What the kernel has must be what the last plan of each port says. */
static void check_serves(const struct world *world, const struct plan_port *port, unsigned int n)
{
	const struct sw_frontend *frontend = kernel_frontend(world, n);

	assert_non_null(frontend);
	assert_string_equal(world->kernel.services[frontend->service].name, port->name);
	assert_int_equal(frontend->ready, port->ready);
	assert_int_equal(frontend->ready + frontend->terminating, port->endpoints.len);
	for (uint32_t i = 0; i < port->endpoints.len; i++) {
		struct addr addr = dp_addr(&world->kernel.backends[slot(world, frontend, i)].addr);
		bool found = false;

		for (size_t k = i < port->ready ? 0 : port->ready;
		     k < (i < port->ready ? port->ready : port->endpoints.len); k++)
			found |= addr_equal(&port->endpoints.items[k].addr, &addr);
		assert_true(found);
	}
}

static void random_plan(struct world *world, struct plan_port *port, unsigned int service)
{
	static const char *const uids[] = {"", "a", "b"};
	unsigned int offset = (unsigned int)rand_r(&world->seed) % 8;
	unsigned int count = (unsigned int)rand_r(&world->seed) % 12;
	char name[32];

	snprintf(name, sizeof(name), "default/s%u:80/tcp", service);
	plan_init(port, name);
	plan_frontend(port, service);
	for (unsigned int i = (unsigned int)rand_r(&world->seed) % 4; i; i--)
		plan_frontend(port, service + i * 1000);
	for (unsigned int i = 0; i < count; i++)
		plan_pod(port, service * 32 + offset + i, uids[rand_r(&world->seed) % 3]);
	port->ready = count ? (unsigned int)rand_r(&world->seed) % (count + 1) : 0;
}

static void random_health(struct world *world)
{
	for (uint32_t i = 1; i < 200; i++) {
		if (world->kernel.backends[i].health && rand_r(&world->seed) % 4 == 0)
			world->kernel.backends[i].health =
				1 + (unsigned int)rand_r(&world->seed) % SW_HEALTH_REFUSED;
	}
}

/* The table of a daemon that starts now, from what the kernel holds. */
static void restart(struct world *world)
{
	struct dp_frontend_entries entries = {}, broken = {};

	dp_table_done(&world->table);
	assert_int_equal(dp_table_init(&world->table), 0);
	hashmap_foreach(world->kernel.frontends, iter) {
		struct dp_frontend_entry entry = {.value = *(struct sw_frontend *)iter.value};

		memcpy(&entry.key, iter.key, sizeof(entry.key));
		assert_int_equal(vec_push(&entries, entry), 0);
	}
	assert_int_equal(dp_adopt(&world->table, &entries, world->kernel.services,
				  world->kernel.slots, world->kernel.backends, &broken),
			 0);
	assert_int_equal(broken.len, 0);
	for (uint32_t i = 0; i < SW_MAX_BACKENDS; i++) {
		if (!dp_ids_is_used(&world->table.backends, i))
			world->kernel.backends[i] = (struct sw_backend){};
	}
	fake_kernel_check(&world->kernel);
	vec_done(&entries);
	vec_done(&broken);
}

/* Runs only the first operations of a change, as a daemon that is killed in the middle. */
static void apply_and_crash(struct world *world, const struct plan_port *port)
{
	struct dp_policy p = policy(world);
	struct dp_changes changes = {};
	size_t stop;

	assert_int_equal(dp_diff_port(&world->table, port, &p, world->now + GRACE, &changes), 0);
	stop = changes.ops.len ? (unsigned int)rand_r(&world->seed) % (changes.ops.len + 1) : 0;
	for (size_t i = 0; i < stop; i++) {
		fake_kernel_run(&world->kernel, &changes.ops.items[i]);
		fake_kernel_check(&world->kernel);
	}
	dp_changes_done(&changes);
	restart(world);
}

static void test_every_prefix_of_random_changes_is_consistent(void **state)
{
	struct world *world = *state;

	for (int step = 0; step < 20000; step++) {
		unsigned int service = (unsigned int)rand_r(&world->seed) % 6;
		struct plan_port port;

		random_plan(world, &port, service);
		random_health(world);
		if (rand_r(&world->seed) % 64 == 0)
			apply_and_crash(world, &port);
		apply_only(world, &port);
		check_serves(world, &port, service);
		plan_free(&port);
		world->now += (unsigned int)rand_r(&world->seed) % GRACE;
		expire(world);
	}
	assert_true(world->table.backends.count < 6 * 12 * 4);
}

static void test_adoption_changes_nothing_when_the_plan_is_the_same(void **state)
{
	struct world *world = *state;
	struct dp_changes changes;
	struct plan_port port;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	plan_pod(&port, 1, "a");
	plan_pod(&port, 2, "b");
	port.ready = 2;
	apply_only(world, &port);
	world->kernel.backends[slot(world, kernel_frontend(world, 1), 1)].health = SW_HEALTH_UP;
	restart(world);
	changes = apply(world, &port);
	vec_foreach(&changes.ops, op)
		assert_int_equal(op->kind, DP_SET_SLOT);
	assert_int_equal(changes.backends.len, 2);
	assert_true(changes.backends.items[0].added);
	dp_changes_done(&changes);
	plan_free(&port);
}

static void test_adoption_leaves_out_what_makes_no_sense(void **state)
{
	struct world *world = *state;
	struct dp_frontend_entries entries = {}, broken = {};
	struct dp_frontend_entry nameless = {.value = {.service = 7}};
	struct dp_frontend_entry beyond = {
		.value = {.service = 8, .slot_base = SW_MAX_SLOTS - 1, .ready = 2}};

	beyond.value.check = sw_frontend_check(&beyond.key, &beyond.value);

	snprintf(world->kernel.services[8].name, SW_SERVICE_NAME_SIZE, "default/web:80/tcp");
	assert_int_equal(vec_push(&entries, nameless), 0);
	assert_int_equal(vec_push(&entries, beyond), 0);
	assert_int_equal(dp_adopt(&world->table, &entries, world->kernel.services,
				  world->kernel.slots, world->kernel.backends, &broken),
			 0);
	assert_int_equal(broken.len, 2);
	assert_int_equal(hashmap_len(world->table.ports), 0);
	vec_done(&entries);
	vec_done(&broken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_plan_writes_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_plan_does_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_new_pod_with_the_address_of_another_is_a_new_backend, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unusable_backends_go_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freed_elements_wait_for_the_grace_period,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_frontend_of_another_service_is_a_conflict,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_frontend_that_moves_is_handed_over_with_one_operation, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_range_that_is_far_too_long_is_given_back,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_of_releases_does_not_grow, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_full_map_leaves_the_port_as_it_was, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_every_prefix_of_random_changes_is_consistent,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_adoption_changes_nothing_when_the_plan_is_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adoption_leaves_out_what_makes_no_sense, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Every prefix of the operations is consistent, and a crash in between is survived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "diff_world.h"

/* Some of the ready ones, some of them preferred, and some of the others. */
static void random_list(struct world *world, struct plan_port *port)
{
	struct plan_list list = {};

	for (uint32_t i = 0; i < port->endpoints.len; i++) {
		if (i == port->ready)
			list.ready = list.members.len;
		if (rand_r(&world->seed) % 3)
			assert_int_equal(vec_push(&list.members, i), 0);
	}
	if (port->ready == port->endpoints.len)
		list.ready = list.members.len;
	if (list.ready)
		list.preferred = 1 + (unsigned int)rand_r(&world->seed) % list.ready;
	list.elsewhere = !list.members.len && rand_r(&world->seed) % 2;
	assert_int_equal(vec_push(&port->lists, list), 0);
}

static void random_plan(struct world *world, struct plan_port *port, unsigned int service)
{
	static const char *const uids[] = {"", "a", "b"};
	unsigned int offset = (unsigned int)rand_r(&world->seed) % 8;
	unsigned int count = (unsigned int)rand_r(&world->seed) % 12;
	char name[32];

	snprintf(name, sizeof(name), "default/s%u:80/tcp", service);
	plan_init(port, name);
	port->affinity_timeout = (uint32_t)rand_r(&world->seed) % 3;
	plan_frontend(port, service);
	for (unsigned int i = (unsigned int)rand_r(&world->seed) % 4; i; i--)
		plan_frontend(port, service + i * 1000);
	for (unsigned int i = 0; i < count; i++)
		plan_pod(port, service * 32 + offset + i, uids[rand_r(&world->seed) % 3]);
	port->ready = count ? (unsigned int)rand_r(&world->seed) % (count + 1) : 0;
	for (unsigned int i = 1 + (unsigned int)rand_r(&world->seed) % 3; i; i--)
		random_list(world, port);
	vec_foreach(&port->frontends, frontend)
		frontend->list = (unsigned int)rand_r(&world->seed) % (uint32_t)port->lists.len;
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
				  world->kernel.slots, world->kernel.backends, world->kernel.load,
				  &broken),
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
	struct dp_changes changes = {};
	size_t stop;

	assert_int_equal(diff(world, port, &changes), 0);
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

/* What the kernel knows of a pod is not for the one that has its address now. */
static void test_another_pod_at_the_address_is_told_apart_after_a_restart(void **state)
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
	restart(world);
	plan_free(&port);
	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	plan_pod(&port, 1, "b");
	port.ready = 1;
	changes = apply(world, &port);
	assert_int_equal(changes.backends.len, 2);
	assert_int_not_equal(slot(world, kernel_frontend(world, 1), 0), before);
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
				  world->kernel.slots, world->kernel.backends, world->kernel.load,
				  &broken),
			 0);
	assert_int_equal(broken.len, 2);
	assert_int_equal(hashmap_len(world->table.ports), 0);
	vec_done(&entries);
	vec_done(&broken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_prefix_of_random_changes_is_consistent,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_adoption_changes_nothing_when_the_plan_is_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_another_pod_at_the_address_is_told_apart_after_a_restart, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_adoption_leaves_out_what_makes_no_sense, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "diff_world.h"

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

static void test_policy_is_written_before_the_frontend_and_when_it_changes(void **state)
{
	struct world *world = *state;
	struct dp_changes changes;
	struct plan_port port;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	port.affinity_timeout = 30;
	changes = apply(world, &port);
	assert_int_equal(changes.ops.len, 3);
	assert_int_equal(changes.ops.items[0].kind, DP_SET_SERVICE);
	assert_int_equal(changes.ops.items[1].kind, DP_SET_POLICY);
	assert_int_equal(changes.ops.items[2].kind, DP_SET_FRONTEND);
	dp_changes_done(&changes);
	port.affinity_timeout = 0;
	changes = apply(world, &port);
	assert_int_equal(changes.ops.len, 1);
	assert_int_equal(changes.ops.items[0].kind, DP_SET_POLICY);
	assert_int_equal(
		world->kernel.services[kernel_frontend(world, 1)->service].policy.affinity_timeout,
		0);
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

/* A list of the first endpoints of the port. */
static void plan_list(struct plan_port *port, uint32_t members, size_t preferred)
{
	struct plan_list list = plan_list_all(members, members);

	list.preferred = preferred;
	list.elsewhere = !members;
	assert_int_equal(vec_push(&port->lists, list), 0);
}

/* Those that hints rule out get slots only while none of the preferred ones is usable. */
static void test_others_stand_by_for_the_preferred(void **state)
{
	struct world *world = *state;
	const struct sw_frontend *frontend;
	struct plan_port port;
	uint32_t first;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	for (unsigned int i = 1; i <= 3; i++)
		plan_pod(&port, i, "");
	port.ready = 3;
	plan_list(&port, 3, 1);
	apply_only(world, &port);
	frontend = kernel_frontend(world, 1);
	assert_int_equal(frontend->ready, 1);
	first = slot(world, frontend, 0);
	world->kernel.backends[first].health = SW_HEALTH_DOWN;
	apply_only(world, &port);
	frontend = kernel_frontend(world, 1);
	assert_int_equal(frontend->ready, 3);
	assert_int_equal(frontend->usable, 2);
	assert_int_equal(slot(world, frontend, 2), first);
	for (uint32_t i = 0; i < 3; i++)
		world->kernel.backends[slot(world, frontend, i)].health = SW_HEALTH_DOWN;
	apply_only(world, &port);
	assert_int_equal(kernel_frontend(world, 1)->ready, 1);
	world->kernel.backends[first].health = SW_HEALTH_UP;
	apply_only(world, &port);
	assert_int_equal(kernel_frontend(world, 1)->ready, 1);
	assert_int_equal(kernel_frontend(world, 1)->usable, 1);
	plan_free(&port);
}

/* An endpoint is one backend, whatever lists it is in; a frontend changes its list in one step. */
static void test_lists_share_backends(void **state)
{
	struct world *world = *state;
	struct dp_changes changes;
	struct plan_port port;

	plan_init(&port, "default/web:80/tcp");
	plan_frontend(&port, 1);
	plan_frontend(&port, 2);
	plan_frontend(&port, 3);
	for (unsigned int i = 1; i <= 3; i++)
		plan_pod(&port, i, "");
	port.ready = 3;
	plan_list(&port, 3, 3);
	plan_list(&port, 2, 2);
	plan_list(&port, 0, 0);
	port.frontends.items[1].list = 1;
	port.frontends.items[2].list = 2;
	changes = apply(world, &port);
	assert_int_equal(changes.backends.len, 3);
	dp_changes_done(&changes);
	check_serves(world, &port, 1);
	assert_int_equal(world->table.backends.count, 3);
	assert_int_equal(kernel_frontend(world, 2)->ready, 2);
	assert_int_equal(kernel_frontend(world, 3)->ready, 0);
	assert_int_equal(kernel_frontend(world, 3)->flags, SW_FRONTEND_ELSEWHERE);
	assert_int_equal(slot(world, kernel_frontend(world, 1), 0),
			 slot(world, kernel_frontend(world, 2), 0));
	port.frontends.items[0].list = 1;
	port.frontends.items[1].list = 0;
	changes = apply(world, &port);
	assert_int_equal(changes.backends.len, 0);
	dp_changes_done(&changes);
	check_serves(world, &port, 1);
	assert_int_equal(kernel_frontend(world, 1)->ready, 2);
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
	assert_int_equal(vec_push(&second.lists, plan_list_all(1, 1)), 0);
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
	assert_int_equal(dp_table_port(&world->table, port.name)->lists.items[0].slots.count, 1024);
	port.endpoints.len = port.ready = 1;
	apply_only(world, &port);
	assert_int_equal(dp_table_port(&world->table, port.name)->lists.items[0].slots.count, 1);
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
	assert_int_equal(diff(world, &port, &changes), -ENOSPC);
	assert_int_equal(changes.ops.len, 0);
	assert_int_equal(dp_table_port(&world->table, port.name)->backends.len, 1);
	plan_free(&port);
	plan_init(&port, "default/other:80/tcp");
	plan_frontend(&port, 2);
	plan_pod(&port, 3, "");
	port.ready = 1;
	assert_int_equal(diff(world, &port, &changes), -ENOSPC);
	assert_null(dp_table_port(&world->table, port.name));
	assert_int_equal(world->table.services.count, 1);
	dp_changes_done(&changes);
	plan_free(&port);
}

/* NodePorts of single other nodes. */
static void plan_other_nodes(struct plan_port *port, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		plan_frontend(port, i);
		port->frontends.items[port->frontends.len - 1].scope = PLAN_AT_OTHER_NODES;
	}
}

/* How many frontends are left out; the kernel is not asked, since that would take its time. */
static size_t left_out(struct world *world, const struct plan_port *port)
{
	struct dp_changes changes = {};

	assert_int_equal(diff(world, port, &changes), 0);
	dp_changes_done(&changes);
	return changes.left_out;
}

static void test_other_nodes_do_without_the_last_eighth_of_the_map(void **state)
{
	enum { MAX = SW_MAX_FRONTENDS / 8 * 7, NODES = 60000 };
	struct world *world = *state;
	struct dp_changes changes = {};
	struct plan_port first, second;

	plan_init(&first, "default/first:80/tcp");
	plan_frontend(&first, 61000);
	plan_other_nodes(&first, NODES);
	assert_int_equal(left_out(world, &first), NODES - MAX);
	assert_int_equal(hashmap_len(world->table.owners), MAX + 1);
	/* What the others have, they keep; and all else fits. */
	plan_init(&second, "default/second:80/tcp");
	plan_frontend(&second, 62000);
	second.frontends.items[0].port = 81;
	plan_other_nodes(&second, 20);
	for (unsigned int i = 1; i <= 20; i++)
		second.frontends.items[i].port = 81;
	assert_int_equal(left_out(world, &second), 20);
	assert_int_equal(dp_table_port(&world->table, second.name)->frontends.len, 1);
	assert_int_equal(left_out(world, &first), NODES - MAX);
	assert_int_equal(hashmap_len(world->table.owners), MAX + 2);
	/* There is room again. */
	assert_int_equal(dp_diff_remove(&world->table, dp_table_port(&world->table, first.name), 0,
					&changes),
			 0);
	dp_changes_done(&changes);
	assert_int_equal(left_out(world, &second), 0);
	assert_int_equal(dp_table_port(&world->table, second.name)->frontends.len, 21);
	plan_free(&first);
	plan_free(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_plan_writes_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_plan_does_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_policy_is_written_before_the_frontend_and_when_it_changes, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_policy_is_written_before_the_frontend_and_when_it_changes, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_new_pod_with_the_address_of_another_is_a_new_backend, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unusable_backends_go_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_others_stand_by_for_the_preferred, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_lists_share_backends, setup, teardown),
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
		cmocka_unit_test_setup_teardown(
			test_other_nodes_do_without_the_last_eighth_of_the_map, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

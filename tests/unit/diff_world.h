/* SPDX-License-Identifier: Apache-2.0 */
/* Plans, a table and a kernel in memory, for the tests of the diff. Included after cmocka. */
#pragma once

#include "fake_kernel.h"
#include "plan_list_all.h"

#include "base/duration.h"
#include "datapath/dp_adopt.h"
#include "datapath/dp_encode.h"

#include <netinet/in.h>
#include <stdio.h>

enum { GRACE = 10 };

struct world {
	struct dp_table table;
	struct fake_kernel kernel;
	uint64_t now;
	unsigned int seed;
};

static inline int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_int_equal(dp_table_init(&world->table), 0);
	fake_kernel_init(&world->kernel);
	world->seed = 1;
	*state = world;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *world = *state;

	dp_table_done(&world->table);
	fake_kernel_done(&world->kernel);
	free(world);
	return 0;
}

/* Element n of the plan's port: address 10.244.n/256.n%256. */
static inline struct addr pod(unsigned int n)
{
	return (struct addr){
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 244, (uint8_t)(n / 256), (uint8_t)n}};
}

static inline struct addr cluster_ip(unsigned int n)
{
	return (struct addr){
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 96, (uint8_t)(n / 256), (uint8_t)n}};
}

static inline void plan_init(struct plan_port *port, const char *name)
{
	*port = (struct plan_port){.proto = IPPROTO_TCP};
	snprintf(port->name, sizeof(port->name), "%s", name);
}

static inline void plan_frontend(struct plan_port *port, unsigned int n)
{
	struct plan_frontend frontend = {.addr = cluster_ip(n), .port = 80};

	assert_int_equal(vec_push(&port->frontends, frontend), 0);
}

static inline void plan_pod(struct plan_port *port, unsigned int n, const char *uid)
{
	struct plan_endpoint endpoint = {
		.addr = pod(n), .port = 8080, .target = (char *)"", .uid = (char *)uid};

	assert_int_equal(vec_push(&port->endpoints, endpoint), 0);
}

static inline void plan_free(struct plan_port *port)
{
	vec_done(&port->frontends);
	vec_done(&port->endpoints);
	vec_foreach(&port->lists, list)
		plan_list_done(list);
	vec_done(&port->lists);
}

static inline bool health_is_usable(const void *arg, uint32_t backend)
{
	const struct world *world = arg;

	return world->kernel.backends[backend].health <= SW_HEALTH_UP;
}

static inline bool never_take(const void *arg, const struct dp_port *owner,
			      const struct sw_frontend_key *key, enum plan_claim claim)
{
	(void)claim;
	(void)arg;
	(void)owner;
	(void)key;
	return false;
}

static inline bool always_take(const void *arg, const struct dp_port *owner,
			       const struct sw_frontend_key *key, enum plan_claim claim)
{
	(void)claim;
	(void)arg;
	(void)owner;
	(void)key;
	return true;
}

static inline struct dp_policy policy(const struct world *world)
{
	return (struct dp_policy){.usable = health_is_usable, .may_take = never_take, .arg = world};
}

static inline void run_changes(struct world *world, struct dp_changes *changes)
{
	vec_foreach(&changes->ops, op) {
		fake_kernel_run(&world->kernel, op);
		fake_kernel_check(&world->kernel);
	}
}

static inline void expire(struct world *world)
{
	struct dp_release release;

	while (dp_table_next_due(&world->table, world->now, &release)) {
		fake_kernel_clear(&world->kernel, &release);
		fake_kernel_check(&world->kernel);
	}
}

/* A port without lists has one list of all endpoints. */
static inline int diff(struct world *world, const struct plan_port *port,
		       struct dp_changes *changes)
{
	struct dp_policy p = policy(world);
	struct plan_list all = plan_list_all(port->endpoints.len, port->ready);
	struct plan_port want = *port;
	int err;

	if (!want.lists.len) {
		want.lists.items = &all;
		want.lists.len = 1;
	}
	err = dp_diff_port(&world->table, &want, &p, world->now + GRACE, changes);
	plan_list_done(&all);
	return err;
}

/* Applies and returns the changes, which the caller frees. */
static inline struct dp_changes apply(struct world *world, const struct plan_port *port)
{
	struct dp_changes changes = {};

	assert_int_equal(diff(world, port, &changes), 0);
	run_changes(world, &changes);
	return changes;
}

static inline void apply_only(struct world *world, const struct plan_port *port)
{
	struct dp_changes changes = apply(world, port);

	dp_changes_done(&changes);
}

static inline const struct sw_frontend *kernel_frontend(const struct world *world, unsigned int n)
{
	struct addr addr = cluster_ip(n);
	struct sw_frontend_key key = {.addr = dp_sw_addr(&addr), .port = 80, .proto = IPPROTO_TCP};

	return hashmap_get(world->kernel.frontends, &key, sizeof(key));
}

static inline uint32_t slot(const struct world *world, const struct sw_frontend *frontend,
			    uint32_t i)
{
	return world->kernel.slots[frontend->slot_base + i].backend;
}

static inline bool is_member(const struct world *world, const struct plan_port *port,
			     const struct plan_list *list, size_t first, size_t end,
			     uint32_t backend)
{
	struct addr addr = dp_addr(&world->kernel.backends[backend].addr);

	for (size_t i = first; i < end; i++) {
		if (addr_equal(&port->endpoints.items[list->members.items[i]].addr, &addr))
			return true;
	}
	return false;
}

static inline void check_leads_to(const struct world *world, const struct plan_port *port,
				  const struct sw_frontend *frontend, const struct plan_list *list)
{
	assert_true(frontend->ready == list->preferred || frontend->ready == list->ready);
	assert_int_equal(frontend->terminating, list->members.len - list->ready);
	assert_int_equal(frontend->flags, list->elsewhere ? SW_FRONTEND_ELSEWHERE : 0);
	for (uint32_t i = 0; i < frontend->ready + frontend->terminating; i++) {
		bool ready = i < frontend->ready;

		assert_true(is_member(world, port, list, ready ? 0 : list->ready,
				      ready ? frontend->ready : list->members.len,
				      slot(world, frontend, i)));
	}
}

/* What the kernel has must be what the last plan of the port says; n is its first frontend. */
static inline void check_serves(const struct world *world, const struct plan_port *port,
				unsigned int n)
{
	struct plan_list all = plan_list_all(port->endpoints.len, port->ready);
	const struct sw_frontend *first = kernel_frontend(world, n);

	assert_non_null(first);
	assert_string_equal(world->kernel.services[first->service].name, port->name);
	vec_foreach(&port->frontends, frontend) {
		struct sw_frontend_key key = dp_encode_frontend_key(frontend, port->proto);
		const struct sw_frontend *found =
			hashmap_get(world->kernel.frontends, &key, sizeof(key));

		if (found && found->service == first->service)
			check_leads_to(world, port, found,
				       port->lists.len ? &port->lists.items[frontend->list] : &all);
	}
	plan_list_done(&all);
}

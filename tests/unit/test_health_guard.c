/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_guard.h"

#include "base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS NSEC_PER_MSEC

enum { NOW = 1000000 };

/* A letter each: the node, in upper case if it is silent, and another address for each. */
struct scene {
	const char *name;
	const char *witnesses; /* the first one is in question */
	struct guard_pool pool;
	enum guard_verdict expected;
};

static const struct scene scenes[] = {
	{"one of two", "Ab", {2, 1, 0}, GUARD_FALL},
	{"the other one of two", "AB", {2, 0, 1}, GUARD_LAST},
	{"the only one", "A", {1, 0, 0}, GUARD_LAST},
	{"two of three", "ABc", {3, 1, 1}, GUARD_HALF},
	{"two of four", "ABcd", {4, 2, 1}, GUARD_FALL},
	{"three of four", "AaBb", {4, 1, 2}, GUARD_HALF},
	{"a node with three of four", "AAAb", {4, 1, 2}, GUARD_FALL},
	{"a node with three of four, and one that lives", "AAAab", {4, 1, 2}, GUARD_HALF},
	{"a node with three of four, nobody else lives", "AAAB", {4, 1, 2}, GUARD_HALF},
	{"nodes are not known", "???b", {4, 1, 2}, GUARD_HALF},
	{"three nodes at once", "ABCd", {4, 3, 0}, GUARD_SELF},
	{"three nodes at once, of many", "ABCdddddddd", {11, 8, 2}, GUARD_FALL},
	{"two nodes at once", "AAABBBcc", {8, 4, 3}, GUARD_FALL},
};

/* '?' is a silent one of a node that is not known. */
static struct guard_witness witness(char c, struct addr *addr, uint64_t since)
{
	bool silent = c == '?' || (c >= 'A' && c <= 'Z');

	addr->bytes[15]++;
	return (struct guard_witness){
		.node = c == '?' ? 0 : (uint64_t)(c & 31),
		.addr = addr,
		.silent_since = silent ? since : 0,
		.succeeds = !silent,
	};
}

static enum guard_verdict judge(const struct scene *scene, uint64_t since, uint64_t now)
{
	struct addr addrs[16] = {};
	struct guard_witness w = witness(scene->witnesses[0], &addrs[0], since);
	struct health_guard guard;

	health_guard_begin(&guard, &w);
	for (size_t i = 1; scene->witnesses[i]; i++) {
		addrs[i].bytes[14] = (uint8_t)i;
		w = witness(scene->witnesses[i], &addrs[i], since + i * MS);
		health_guard_add(&guard, &w);
	}
	return health_guard_judge(&guard, &scene->pool, now);
}

static void test_scenes(void **arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		enum guard_verdict verdict = judge(&scenes[i], NOW * MS, NOW * MS + 150 * MS);

		if (verdict != scenes[i].expected)
			fail_msg("%s: \"%s\"", scenes[i].name, guard_verdict_to_str(verdict));
	}
}

static void test_many_nodes_are_believed_at_last(void **arg)
{
	const struct scene scene = {"", "ABCd", {4, 3, 0}, GUARD_SELF};

	(void)arg;
	assert_int_equal(judge(&scene, NOW * MS, NOW * MS + 9999 * MS), GUARD_SELF);
	assert_int_equal(judge(&scene, NOW * MS, NOW * MS + 10000 * MS), GUARD_FALL);
}

/* What fell silent at another time has another cause. */
static void test_one_after_the_other(void **arg)
{
	struct addr addrs[3] = {{.bytes[15] = 1}, {.bytes[15] = 2}, {.bytes[15] = 3}};
	const struct guard_pool pool = {.ready = 4, .usable = 3};
	struct health_guard guard;

	(void)arg;
	for (int late = 0; late < 2; late++) {
		struct guard_witness w = {.node = 1, .addr = &addrs[0], .silent_since = 5000 * MS};

		health_guard_begin(&guard, &w);
		w = (struct guard_witness){.node = 2, .addr = &addrs[1], .silent_since = 5000 * MS};
		health_guard_add(&guard, &w);
		w = (struct guard_witness){
			.node = 3,
			.addr = &addrs[2],
			.silent_since = late ? 4000 * MS : 4001 * MS,
		};
		health_guard_add(&guard, &w);
		assert_int_equal(health_guard_judge(&guard, &pool, 5150 * MS),
				 late ? GUARD_FALL : GUARD_SELF);
	}
}

/* Two Services on one pod are one silent address: no evidence that its node is gone. */
static void test_one_pod_is_not_a_node(void **arg)
{
	const struct addr addr = {.bytes[15] = 1}, other = {.bytes[15] = 2};
	const struct guard_pool pool = {.ready = 2, .usable = 1, .silent = 1};
	struct guard_witness w = {.node = 1, .addr = &addr, .silent_since = 5000 * MS};
	struct health_guard guard;

	(void)arg;
	health_guard_begin(&guard, &w);
	health_guard_add(&guard, &w);
	w = (struct guard_witness){.node = 2, .addr = &other, .succeeds = true};
	health_guard_add(&guard, &w);
	assert_int_equal(health_guard_judge(&guard, &pool, 5150 * MS), GUARD_HALF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenes),
		cmocka_unit_test(test_many_nodes_are_believed_at_last),
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_one_pod_is_not_a_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

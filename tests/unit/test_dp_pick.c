/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_pick.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SERVICE = 7, BASE = 100, NOW = 1000 };

static struct sw_slot *slots;
static struct sw_backend *backends;
static struct sw_frontend frontend;

/* Backends 1, 2, … in this order; the last `terminating` of them terminate. */
static void set_up(const enum sw_health *healths, uint32_t count, uint32_t terminating)
{
	memset(slots, 0, SW_MAX_SLOTS * sizeof(*slots));
	memset(backends, 0, SW_MAX_BACKENDS * sizeof(*backends));
	for (uint32_t i = 0; i < count; i++) {
		slots[BASE + i].backend = i + 1;
		backends[i + 1] = (struct sw_backend){.service = SERVICE, .health = healths[i]};
	}
	frontend = (struct sw_frontend){.service = SERVICE,
					.slot_base = BASE,
					.ready = count - terminating,
					.terminating = terminating};
}

static uint32_t pick(const uint32_t *tried, size_t count, uint32_t random)
{
	struct dp_pick question = {.frontend = &frontend,
				   .slots = slots,
				   .backends = backends,
				   .tried = tried,
				   .tried_count = count,
				   .now = NOW,
				   .random = random};

	return dp_pick(&question);
}

/* Each time the best of those that are left, until there is none. */
static void test_from_best_to_worst(void **state)
{
	static const enum sw_health healths[] = {
		SW_HEALTH_REFUSED, SW_HEALTH_DOWN, SW_HEALTH_UP, /* ejected */
		SW_HEALTH_SUSPECT, SW_HEALTH_UP,   SW_HEALTH_UP, /* terminating */
	};
	static const uint32_t order[] = {5, 4, 3, 2, 6, 1};
	uint32_t tried[6];

	(void)state;
	set_up(healths, 6, 1);
	backends[3].ejected_until = NOW + 1;
	for (uint32_t random = 0; random < 20; random++) {
		for (size_t i = 0; i < 6; i++) {
			tried[i] = pick(tried, i, random);
			assert_int_equal(tried[i], order[i]);
		}
		assert_int_equal(pick(tried, 6, random), 0);
	}
}

static void test_the_beginning_is_random(void **state)
{
	static const enum sw_health healths[] = {SW_HEALTH_UP, SW_HEALTH_UNKNOWN, SW_HEALTH_UP};

	(void)state;
	set_up(healths, 3, 0);
	for (uint32_t random = 0; random < 9; random++)
		assert_int_equal(pick(NULL, 0, random), random % 3 + 1);
	assert_int_equal(pick(NULL, 0, UINT32_MAX), UINT32_MAX % 3 + 1);
}

static void test_what_is_another_services(void **state)
{
	static const enum sw_health healths[] = {SW_HEALTH_UP, SW_HEALTH_FREE, SW_HEALTH_UP};

	(void)state;
	set_up(healths, 3, 0);
	backends[1].service = SERVICE + 1;
	slots[BASE + 2].backend = 0;
	assert_int_equal(pick(NULL, 0, 0), 0);
	slots[BASE + 2].backend = SW_MAX_BACKENDS;
	assert_int_equal(pick(NULL, 0, 0), 0);
	frontend.slot_base = SW_MAX_SLOTS - 1;
	assert_int_equal(pick(NULL, 0, 0), 0);
}

static void test_has_been_usable(void **state)
{
	static const enum sw_health healths[] = {
		SW_HEALTH_UP,
		SW_HEALTH_UNKNOWN,
		SW_HEALTH_SUSPECT,
		SW_HEALTH_DOWN,
		SW_HEALTH_REFUSED,
		SW_HEALTH_UP /* ejected */,
		SW_HEALTH_UP /* terminating */,
	};
	static const bool usable[] = {true, true, false, false, false, false, false};
	struct dp_pick question = {
		.frontend = &frontend, .slots = slots, .backends = backends, .now = NOW};

	(void)state;
	set_up(healths, 7, 1);
	backends[6].ejected_until = NOW + 1;
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(dp_pick_has_been_usable(&question, i + 1, NOW), usable[i]);
	assert_false(dp_pick_has_been_usable(&question, 8, NOW));
	backends[1].changed = backends[2].suspect_until = NOW - 1;
	backends[6].ejected_until = NOW - 1;
	for (uint32_t i = 1; i <= 6; i += i == 1 ? 1 : 4) {
		assert_true(dp_pick_has_been_usable(&question, i, NOW - 1));
		assert_false(dp_pick_has_been_usable(&question, i, NOW - 2));
	}
	backends[1].service = SERVICE + 1;
	assert_false(dp_pick_has_been_usable(&question, 1, NOW));
}

static int make_maps(void **state)
{
	(void)state;
	slots = calloc(SW_MAX_SLOTS, sizeof(*slots));
	backends = calloc(SW_MAX_BACKENDS, sizeof(*backends));
	return slots && backends ? 0 : -1;
}

static int free_maps(void **state)
{
	(void)state;
	free(slots);
	free(backends);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_best_to_worst),
		cmocka_unit_test(test_the_beginning_is_random),
		cmocka_unit_test(test_what_is_another_services),
		cmocka_unit_test(test_has_been_usable),
	};

	return cmocka_run_group_tests(tests, make_maps, free_maps);
}

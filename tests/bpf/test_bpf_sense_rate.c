/* SPDX-License-Identifier: Apache-2.0 */
/* What the share of responses that fail does, on real sockets. The rules: tests/unit/test_sense_rate.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/links.h"
#include "bpf/world.h"

#include "base/clock.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <unistd.h>

static void test_half_of_the_responses(void **state)
{
	struct world *world = *state;

	links_publish(world, 2);
	for (int i = 0; i < 20 && !world_is_ejected(world, 0); i++)
		link_answer_once(world, 0, i % 2 ? link_good : link_bad);
	assert_true(world_is_ejected(world, 0));
	assert_int_equal(datapath_load(world->datapath, world->backends[0])->evidence,
			 SW_EVIDENCE_RATE);
}

/* Connects so often, and returns how often it was that server. */
static unsigned int count_choices(const struct world *world, int server, unsigned int times)
{
	uint64_t before = datapath_connects(world->datapath, world->backends[server]);

	for (unsigned int i = 0; i < times; i++) {
		int fd = world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80);

		assert_true(fd >= 0);
		close(fd);
		links_drop_pending(world);
	}
	return (unsigned int)(datapath_connects(world->datapath, world->backends[server]) - before);
}

/* A quarter of its responses fails: it gets 100 of 400 connections instead of 200; 7 deviations. */
static void test_a_quarter_of_the_responses(void **state)
{
	struct world *world = *state;
	struct link link;

	links_publish(world, 2);
	link = link_web(world, 0);
	for (int i = 0; i < 200; i++)
		link_respond(&link, i % 4 ? link_good : link_bad);
	assert_false(world_is_ejected(world, 0));
	assert_in_range(count_choices(world, 0, 400), 39, 161);
	link_end(&link);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_half_of_the_responses),
		TEST(test_a_quarter_of_the_responses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}

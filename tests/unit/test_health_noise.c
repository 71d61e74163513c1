/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_noise.h"

#include <stdbool.h>
#include <stdint.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct health_noise silent;

static uint8_t fall(const struct health_noise *noise)
{
	uint8_t as_backend = health_noise_fall(3, noise, &silent);

	assert_int_equal(health_noise_fall(3, &silent, noise), as_backend);
	return as_backend;
}

static void test_silence_means_something_at_first(void **arg)
{
	struct health_noise noise = {};

	(void)arg;
	assert_int_equal(fall(&noise), 3);
	for (int i = 0; i < 1000; i++)
		health_noise_add(&noise, 0);
	assert_int_equal(fall(&noise), 3);
	assert_int_equal(health_noise_fall(1, &noise, &silent), 1);
}

static void test_unfounded_doubts_make_it_more(void **arg)
{
	struct health_noise noise = {};
	uint8_t before = 3;

	(void)arg;
	health_noise_add(&noise, 1);
	assert_int_equal(fall(&noise), 4);
	for (int i = 0; i < 1000; i++) {
		health_noise_add(&noise, 2);
		assert_true(fall(&noise) >= before);
		before = fall(&noise);
	}
	assert_int_equal(before, 12);
	assert_int_equal(health_noise_fall(20, &noise, &silent), 20);
}

static void test_failures_of_the_probe_only(void **arg)
{
	struct health_noise noise = {};

	(void)arg;
	health_noise_fail(&noise);
	assert_int_equal(fall(&noise), 4);
	for (int i = 0; i < 1000; i++)
		health_noise_fail(&noise);
	assert_int_equal(fall(&noise), 12);
	for (int i = 0; i < 400; i++)
		health_noise_add(&noise, 0);
	assert_int_equal(fall(&noise), 3);
}

static void test_it_is_forgotten(void **arg)
{
	struct health_noise noise = {};

	(void)arg;
	health_noise_add(&noise, 10);
	assert_in_range(fall(&noise), 6, 12);
	for (int i = 0; i < 300; i++)
		health_noise_add(&noise, 0);
	assert_int_equal(fall(&noise), 3);
}

/* SplitMix64. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* How often a backend that is well is taken out in a million probes, of which a share fails. */
static unsigned int false_ejections(double share, bool learn)
{
	struct health_noise noise = {};
	uint64_t state = 42;
	unsigned int failures = 0, ejections = 0;

	for (int i = 0; i < 1000000; i++) {
		bool fails = (double)next_random(&state) / (double)UINT64_MAX < share;

		failures = fails ? failures + 1 : failures;
		if (fails && failures >= fall(&noise)) {
			ejections++;
			failures = 0;
		}
		if (!fails && learn)
			health_noise_add(&noise, failures);
		if (!fails)
			failures = 0;
	}
	return ejections;
}

static void test_chance_takes_nobody_out(void **arg)
{
	(void)arg;
	assert_true(false_ejections(0.1, false) > 500);
	assert_true(false_ejections(0.01, true) < 3);
	assert_true(false_ejections(0.1, true) < 3);
	assert_true(false_ejections(0.2, true) < 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silence_means_something_at_first),
		cmocka_unit_test(test_unfounded_doubts_make_it_more),
		cmocka_unit_test(test_failures_of_the_probe_only),
		cmocka_unit_test(test_it_is_forgotten),
		cmocka_unit_test(test_chance_takes_nobody_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

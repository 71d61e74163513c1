/* SPDX-License-Identifier: Apache-2.0 */
/* What the share of the responses that fail is enough for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/sense_fixture.h"

/* So many responses, evenly over some seconds, of which every n-th fails; the last one does. */
static void respond(__u32 backend, unsigned int count, unsigned int nth, __u64 time)
{
	for (unsigned int i = 1; i <= count; i++) {
		now += time / count;
		if (i % nth)
			succeed(backend, SENSE_ANSWERED);
		else
			fail_times(backend, 1, SW_EVIDENCE_STATUS);
	}
}

/* A service whose backends are not ejected for what comes in a row. */
static void serve_patiently(__u32 n)
{
	serve(n);
	services[SERVICE].policy.outlier_5xx = 100;
}

/* Counting begins after a failure: 5 of the 10 responses that follow. */
static void test_half_of_the_responses_eject(void **state)
{
	(void)state;
	serve_patiently(2);
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	for (int i = 0; i < 4; i++) {
		succeed(1, SENSE_ANSWERED);
		fail_times(1, 1, SW_EVIDENCE_STATUS);
	}
	assert_false(is_out(1));
	succeed(1, SENSE_ANSWERED);
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	assert_true(is_out(1));
	assert_int_equal(load[1].evidence, SW_EVIDENCE_RATE);
	assert_false(backends[1].lowered);

	serve_patiently(2);
	respond(1, 3000, 3, SECOND);
	assert_false(is_out(1));
}

/* It moves on: what is on both sides of the end of a half counts together, what is older does not. */
static void test_the_window_moves(void **state)
{
	(void)state;
	serve_patiently(2);
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	now += SENSE_HALF - MS;
	for (int i = 0; i < 5; i++)
		succeed(1, SENSE_ANSWERED);
	fail_times(1, 4, SW_EVIDENCE_STATUS);
	assert_false(is_out(1));
	now += 2 * MS;
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	assert_true(is_out(1));

	serve_patiently(2);
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	for (int i = 0; i < 1000; i++)
		succeed(1, SENSE_ANSWERED);
	now += SENSE_HALF;
	fail_times(1, 9, SW_EVIDENCE_STATUS);
	assert_false(is_out(1));
	now += SENSE_HALF;
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	assert_true(is_out(1));

	/* Half a second without any response has nothing of the one that was there before. */
	serve_patiently(2);
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	for (int i = 0; i < 1000; i++)
		succeed(1, SENSE_ANSWERED);
	for (int i = 0; i < 2; i++) {
		now += 2 * SENSE_HALF - MS;
		fail_times(1, 1, SW_EVIDENCE_STATUS);
	}
	assert_false(is_out(1));
	fail_times(1, 9, SW_EVIDENCE_STATUS);
	assert_true(is_out(1));
}

/* A failure now and then is none of a rate, however few responses there are. */
static void test_rare_failures_count_nothing(void **state)
{
	(void)state;
	serve_patiently(2);
	for (int i = 0; i < 100; i++) {
		fail_times(1, 1, SW_EVIDENCE_STATUS);
		now += SENSE_WINDOW + 1;
		succeed(1, SENSE_ANSWERED);
	}
	assert_false(is_out(1));
	assert_int_equal(load[1].window[0].failed + load[1].window[1].failed, 0);
	assert_int_equal(load[1].window[0].good + load[1].window[1].good, 0);
}

static void test_a_fifth_lowers(void **state)
{
	(void)state;
	serve_patiently(2);
	respond(1, 1000, 6, SECOND);
	assert_false(backends[1].lowered);
	respond(1, 1000, 5, 2 * SECOND);
	assert_true(backends[1].lowered);
	assert_false(is_out(1));
	assert_int_equal(count_events(SW_EVENT_LOWERED), 1);
	assert_int_equal(count_events(SW_EVENT_EJECTED), 0);
	/* Half of them, and it is out; when it returns that is forgotten. */
	respond(1, 100, 2, SECOND);
	assert_true(is_out(1));
	assert_false(backends[1].lowered);
}

static void test_few_responses_lower_nothing(void **state)
{
	(void)state;
	serve_patiently(2);
	respond(1, 90, 4, 10 * SECOND);
	assert_false(backends[1].lowered);
	assert_false(is_out(1));
}

/* Not at once, and not when it is only a little better: that would be back and forth. */
static void test_raised_again(void **state)
{
	(void)state;
	serve_patiently(2);
	respond(1, 1000, 4, SECOND);
	assert_true(backends[1].lowered);
	respond(1, 1000, 1000, 3 * SECOND);
	assert_true(backends[1].lowered);
	respond(1, 2000, 8, 5 * SECOND);
	assert_true(backends[1].lowered);
	assert_int_equal(count_events(SW_EVENT_LOWERED), 1);
	respond(1, 1000, 20, 2 * SECOND);
	assert_false(backends[1].lowered);
	assert_int_equal(count_events(SW_EVENT_RAISED), 1);

	respond(1, 1000, 4, SECOND);
	assert_true(backends[1].lowered);
	now += SENSE_LOWERED + 1;
	succeed(1, SENSE_ANSWERED);
	assert_false(backends[1].lowered);
}

/* Another CPU is a moment ahead: in the next half second, and lowered it just now. */
static void test_clocks_of_two_cpus(void **state)
{
	(void)state;
	serve_patiently(2);
	now -= now % SENSE_HALF;
	fail_times(1, 9, SW_EVIDENCE_STATUS);
	now--;
	fail_times(1, 2, SW_EVIDENCE_STATUS);
	assert_true(is_out(1));

	serve_patiently(2);
	backends[1].lowered = 1;
	load[1].lowered_at = load[1].last_failure = now + 1;
	succeed(1, SENSE_ANSWERED);
	assert_true(backends[1].lowered);
	load[1].lowered_at = now - SENSE_LOWERED;
	succeed(1, SENSE_ANSWERED);
	assert_true(backends[1].lowered);
}

static unsigned int count_lowered(__u32 n)
{
	unsigned int lowered = 0;

	for (__u32 i = 1; i <= n; i++)
		lowered += backends[i].lowered;
	return lowered;
}

/* What they are relieved of the others get: never by more than half of them, ejected ones included. */
static void test_share_that_may_be_lowered(void **state)
{
	(void)state;
	for (__u32 n = 1; n <= SENSE_SCAN; n++) {
		serve_patiently(n);
		for (__u32 i = 1; i <= n; i++)
			respond(i, 100, 4, SECOND);
		assert_int_equal(count_lowered(n), n < 2 ? 0 : n < 4 ? 1 : n / 2);
		assert_int_equal(count_events(SW_EVENT_SPARED), 0);
	}
	serve_patiently(4);
	fail_times(1, 100, SW_EVIDENCE_STATUS);
	assert_true(is_out(1));
	for (__u32 i = 2; i <= 4; i++)
		respond(i, 100, 4, 100 * MS);
	assert_int_equal(count_lowered(4), 1);
	assert_int_equal(count_out(4), 1);
}

/* While the requests are to blame, they lower nobody, either. */
static void test_poison_lowers_nobody(void **state)
{
	(void)state;
	serve(2);
	fail_times(1, 3, SW_EVIDENCE_STATUS);
	fail_times(2, 3, SW_EVIDENCE_STATUS);
	assert_int_equal(count_events(SW_EVENT_POISON), 1);
	respond(1, 1000, 4, SECOND);
	assert_false(backends[1].lowered);
	respond(1, 1000, 4, SENSE_POISON_PAUSE);
	assert_true(backends[1].lowered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_of_the_responses_eject),
		cmocka_unit_test(test_the_window_moves),
		cmocka_unit_test(test_rare_failures_count_nothing),
		cmocka_unit_test(test_a_fifth_lowers),
		cmocka_unit_test(test_few_responses_lower_nothing),
		cmocka_unit_test(test_raised_again),
		cmocka_unit_test(test_clocks_of_two_cpus),
		cmocka_unit_test(test_share_that_may_be_lowered),
		cmocka_unit_test(test_poison_lowers_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

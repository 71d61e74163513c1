/* SPDX-License-Identifier: Apache-2.0 */
/* When backends are ejected, and for how long. What is about the share of failures: test_sense_rate.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/sense_fixture.h"

#include "sense_http.bpf.h"

static void test_limit_of_the_policy(void **state)
{
	(void)state;
	for (__u32 limit = 1; limit <= 5; limit++) {
		serve(2);
		services[SERVICE].policy.outlier_5xx = limit;
		fail_times(1, limit - 1, SW_EVIDENCE_STATUS);
		assert_false(is_out(1));
		fail_times(1, 1, SW_EVIDENCE_STATUS);
		assert_true(is_out(1));
		assert_int_equal(services[SERVICE].ejections, 1);
		assert_int_equal(count_events(SW_EVENT_EJECTED), 1);
		/* What was on its way says nothing new. */
		fail_times(1, 10, SW_EVIDENCE_STATUS);
		assert_int_equal(services[SERVICE].ejections, 1);
	}
}

static void test_failures_of_long_ago_are_not_in_a_row(void **state)
{
	(void)state;
	serve(2);
	for (int i = 0; i < 10; i++) {
		fail_times(1, 2, SW_EVIDENCE_STATUS);
		now += SENSE_STALE + 1;
	}
	assert_false(is_out(1));
}

/* Another CPU noted a time that this one has not read yet: that is no time ago, and not half an age. */
static void test_clocks_of_two_cpus(void **state)
{
	(void)state;
	serve(2);
	fail_times(1, 2, SW_EVIDENCE_STATUS);
	now--;
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	assert_true(is_out(1));

	serve(2);
	fail_times(1, SENSE_TIMEOUT_LIMIT, SW_EVIDENCE_TIMEOUT);
	assert_true(is_out(1));
	serve(2);
	load[1].last_success = now + 1;
	fail_times(1, SENSE_TIMEOUT_LIMIT, SW_EVIDENCE_TIMEOUT);
	assert_false(is_out(1));

	serve(2);
	load[1].last_success = load[1].last_good = now + 1;
	succeed(1, SENSE_ANSWERED);
	assert_int_equal(load[1].last_success, now + 1);
	assert_int_equal(load[1].last_good, now + 1);

	serve(2);
	load[1].last_doubt = load[1].last_stray = now + 1;
	doubt(1, SW_EVIDENCE_SILENT);
	fail_times(1, 4, SW_EVIDENCE_STATUS);
	assert_int_equal(count_events(SW_EVENT_DOUBT), 0);
	assert_int_equal(count_events(SW_EVENT_STRAY), 0);

	/* The other one may have judged, too. */
	serve(2);
	fail_times(1, 3, SW_EVIDENCE_STATUS);
	now--;
	fail_times(2, 3, SW_EVIDENCE_STATUS);
	assert_int_equal(count_events(SW_EVENT_POISON), 1);
}

/* 1 s, 2 s, 4 s … 60 s, each up to half as long again. */
static void test_ejections_get_longer(void **state)
{
	static const __u64 seconds[] = {1, 2, 4, 8, 16, 32, 60, 60};

	(void)state;
	for (int most = 0; most <= 1; most++) {
		serve(2);
		random_value = most ? UINT32_MAX : 0;
		for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
			__u64 base = seconds[i] * SECOND;

			fail_times(1, 3, SW_EVIDENCE_STATUS);
			assert_true(is_out(1));
			if (most)
				assert_in_range(backends[1].ejected_until - now, base * 149 / 100,
						base * 3 / 2);
			else
				assert_int_equal(backends[1].ejected_until - now, base);
			now = backends[1].ejected_until;
		}
	}
}

static void test_health_shortens_the_next_one(void **state)
{
	(void)state;
	serve(2);
	for (int i = 0; i < 3; i++) {
		fail_times(1, 3, SW_EVIDENCE_STATUS);
		now = backends[1].ejected_until;
	}
	succeed(1, SENSE_ANSWERED);
	assert_int_equal(backends[1].trial, SW_TRIAL_NONE);
	now += 2 * SENSE_DECAY;
	fail_times(1, 3, SW_EVIDENCE_STATUS);
	assert_int_equal(backends[1].ejected_until - now, 2 * SECOND);
	now += 3600 * SECOND;
	backends[1].trial = SW_TRIAL_NONE;
	fail_times(1, 3, SW_EVIDENCE_STATUS);
	assert_int_equal(backends[1].ejected_until - now, SECOND);
}

/* Success while it is out ends nothing; the trial afterwards does, or one failure prolongs it. */
static void test_trial(void **state)
{
	(void)state;
	serve(2);
	fail_times(1, 3, SW_EVIDENCE_STATUS);
	succeed(1, SENSE_ANSWERED);
	assert_true(is_out(1));
	now = backends[1].ejected_until;
	backends[1].trial = SW_TRIAL_BEGUN;
	backends[1].ejected_until = now + SECOND;
	succeed(1, SENSE_CONNECTED);
	assert_true(is_out(1));
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	assert_int_equal(backends[1].trial, SW_TRIAL_DUE);
	assert_int_equal(backends[1].ejected_until - now, 2 * SECOND);
	now = backends[1].ejected_until;
	backends[1].trial = SW_TRIAL_BEGUN;
	backends[1].ejected_until = now + SECOND;
	succeed(1, SENSE_ANSWERED);
	assert_false(is_out(1));
	assert_int_equal(backends[1].trial, SW_TRIAL_NONE);
	assert_int_equal(count_events(SW_EVENT_RETURNED), 1);
}

/* For what failed to connect a connection is enough. */
static void test_trial_of_a_connection(void **state)
{
	(void)state;
	serve(2);
	fail_times(1, 2, SW_EVIDENCE_REFUSED);
	assert_true(is_out(1));
	now = backends[1].ejected_until;
	succeed(1, SENSE_CONNECTED);
	assert_int_equal(backends[1].trial, SW_TRIAL_NONE);
	assert_false(is_out(1));
}

static void test_first_refused_connection_makes_suspect(void **state)
{
	(void)state;
	serve(2);
	fail_times(1, 1, SW_EVIDENCE_REFUSED);
	assert_true(backends[1].suspect_until > now);
	assert_false(is_out(1));
	assert_int_equal(count_events(SW_EVENT_DOUBT), 1);
	succeed(1, SENSE_CONNECTED);
	assert_int_equal(backends[1].suspect_until, 0);
	fail_times(1, 1, SW_EVIDENCE_REFUSED);
	assert_false(is_out(1));
	fail_times(1, 1, SW_EVIDENCE_UNREACHABLE);
	assert_true(is_out(1));
}

/* Lost packets are no failure of a backend. */
/* Of what came only those answers are good whose status was seen. */
static void test_what_counts_as_good(void **state)
{
	(void)state;
	serve(2);
	succeed(1, SENSE_CONNECTED);
	assert_int_equal(load[1].last_success, 0);
	succeed(1, SENSE_ENDED);
	assert_int_equal(load[1].last_success, now);
	assert_int_equal(load[1].last_good, 0);
	succeed(1, SENSE_ANSWERED);
	assert_int_equal(load[1].last_good, now);
}

/* A probe was let in: who refuses until then does so for single clients. */
static void test_refused_to_some_only(void **state)
{
	(void)state;
	serve(2);
	load[1].excused_until = now + SECOND;
	fail_times(1, 9, SW_EVIDENCE_REFUSED);
	fail_times(1, 9, SW_EVIDENCE_UNREACHABLE);
	fail_times(1, 9, SW_EVIDENCE_TIMEOUT);
	assert_false(is_out(1));
	assert_int_equal(backends[1].suspect_until, 0);
	assert_int_equal(count_events(SW_EVENT_DOUBT), 1);
	fail_times(1, 3, SW_EVIDENCE_STATUS);
	assert_true(is_out(1));
	now += 20 * SECOND;
	succeed(1, SENSE_ANSWERED);
	fail_times(1, 2, SW_EVIDENCE_REFUSED);
	assert_true(is_out(1));
}

static void test_unanswered_connections(void **state)
{
	(void)state;
	serve(2);
	fail_times(1, SENSE_TIMEOUT_LIMIT - 1, SW_EVIDENCE_TIMEOUT);
	assert_false(is_out(1));
	fail_times(1, 1, SW_EVIDENCE_TIMEOUT);
	assert_true(is_out(1));
	/* Others are served: it is the client. */
	serve(2);
	load[1].last_success = now;
	fail_times(1, 2 * SENSE_TIMEOUT_LIMIT, SW_EVIDENCE_TIMEOUT);
	assert_false(is_out(1));
	now += SENSE_QUIET + 1;
	fail_times(1, 1, SW_EVIDENCE_TIMEOUT);
	assert_true(is_out(1));
}

/* At most half of them, but one of two and of three; for refused connections all but one. */
static void test_share_that_may_be_out(void **state)
{
	(void)state;
	for (__u32 n = 1; n <= 40; n++) {
		unsigned int half = n < 2 ? 0 : n < 4 ? 1 : n / 2;

		serve(n);
		for (__u32 i = 1; i <= n; i++)
			fail_times(i, 4, SW_EVIDENCE_UNREACHABLE);
		if (n <= SENSE_SCAN)
			assert_int_equal(count_out(n), half);
		else
			assert_in_range(count_out(n), half - n / 4, half + n / 4);
		serve(n);
		for (__u32 i = 1; i <= n; i++)
			fail_times(i, 4, SW_EVIDENCE_REFUSED);
		if (n <= SENSE_SCAN)
			assert_int_equal(count_out(n), n - 1);
		assert_true(count_out(n) < n);
	}
}

static void test_the_last_usable_one_stays(void **state)
{
	(void)state;
	serve(3);
	backends[1].health = SW_HEALTH_DOWN;
	backends[2].health = SW_HEALTH_SUSPECT;
	fail_times(3, 1, SW_EVIDENCE_REFUSED);
	now += SENSE_DOUBT_INTERVAL;
	fail_times(3, 9, SW_EVIDENCE_REFUSED);
	assert_false(is_out(3));
	assert_int_equal(count_events(SW_EVENT_SPARED), 1);
	backends[1].health = SW_HEALTH_UP;
	fail_times(3, 1, SW_EVIDENCE_REFUSED);
	assert_true(is_out(3));
}

static void test_poison(void **state)
{
	(void)state;
	serve(4);
	fail_times(1, 3, SW_EVIDENCE_STATUS);
	assert_true(is_out(1));
	fail_times(2, 3, SW_EVIDENCE_STATUS);
	assert_int_equal(count_out(4), 0);
	assert_int_equal(count_events(SW_EVENT_POISON), 1);
	fail_times(3, 100, SW_EVIDENCE_STATUS);
	assert_int_equal(count_out(4), 0);
	/* A fact is a fact. */
	fail_times(4, 2, SW_EVIDENCE_REFUSED);
	assert_true(is_out(4));
	now += SENSE_POISON_PAUSE + 1;
	fail_times(3, 3, SW_EVIDENCE_STATUS);
	assert_true(is_out(3));
}

/* One whose probe fails, too, and one of some time ago are no sign of poison. */
static void test_what_is_no_poison(void **state)
{
	(void)state;
	serve(4);
	fail_times(1, 3, SW_EVIDENCE_STATUS);
	backends[1].health = SW_HEALTH_SUSPECT;
	fail_times(2, 3, SW_EVIDENCE_STATUS);
	assert_int_equal(count_out(4), 2);
	serve(4);
	fail_times(1, 3, SW_EVIDENCE_STATUS);
	now += SENSE_POISON_WITHIN + 1;
	backends[1].ejected_until = now + SECOND;
	fail_times(2, 3, SW_EVIDENCE_STATUS);
	assert_int_equal(count_out(4), 2);
}

/* So many rounds in which the first `bad` of n backends fail, and the others answer. */
static void answer_rounds(unsigned int rounds, __u32 bad, __u32 n)
{
	while (rounds--) {
		for (__u32 i = 1; i <= n; i++) {
			now += MS;
			if (i <= bad)
				fail_times(i, 1, SW_EVIDENCE_STATUS);
			else
				succeed(i, SENSE_ANSWERED);
		}
	}
}

/* Those of a bad release, while others answer the same requests: up to half of all are out. */
static void test_several_bad_ones(void **state)
{
	static const struct {
		__u32 n, bad, out;
	} rows[] = {{6, 1, 1}, {6, 2, 2}, {6, 3, 3}, {6, 4, 3}, {3, 2, 1}, {4, 2, 2}, {32, 16, 16}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		serve(rows[i].n);
		answer_rounds(10, 0, rows[i].n);
		answer_rounds(10, rows[i].bad, rows[i].n);
		assert_int_equal(count_out(rows[i].n), rows[i].out);
		assert_int_equal(count_events(SW_EVENT_POISON), 0);
	}
	/* A failure now and then does not make the others bad. */
	serve(6);
	for (__u32 i = 1; i <= 6; i++)
		fail_times(i, 1, SW_EVIDENCE_STATUS);
	answer_rounds(20, 0, 6);
	answer_rounds(3, 2, 6);
	assert_int_equal(count_out(6), 2);
	/* Their trials go wrong within the same second. */
	now += 2 * SECOND;
	for (__u32 i = 3; i <= 6; i++)
		succeed(i, SENSE_ANSWERED);
	answer_rounds(1, 2, 6);
	assert_int_equal(count_out(6), 2);
	assert_int_equal(count_events(SW_EVENT_POISON), 0);
}

/* Others that fail as well, of which too few are well, or of which nothing is known. */
static void test_poison_beside_others(void **state)
{
	(void)state;
	serve(6);
	answer_rounds(10, 0, 6);
	answer_rounds(10, 5, 6);
	assert_int_equal(count_out(6), 0);
	assert_int_equal(count_events(SW_EVENT_POISON), 1);

	/* Each fourth request is the poison, everywhere. */
	serve(6);
	answer_rounds(10, 0, 6);
	for (int i = 0; i < 20; i++)
		answer_rounds(1, i % 4 ? 0 : 6, 6);
	fail_times(1, 3, SW_EVIDENCE_STATUS);
	fail_times(2, 3, SW_EVIDENCE_STATUS);
	assert_int_equal(count_out(6), 0);
	assert_int_equal(count_events(SW_EVENT_POISON), 1);

	/* Nobody has asked the others for a while. */
	serve(6);
	answer_rounds(10, 0, 6);
	now += 2 * SECOND;
	answer_rounds(3, 2, 2);
	assert_int_equal(count_out(6), 0);
	assert_int_equal(count_events(SW_EVENT_POISON), 1);
}

/* A reason to probe, and not more often than is of use. */
static void test_doubt(void **state)
{
	(void)state;
	serve(2);
	for (int i = 0; i < 10; i++)
		doubt(1, SW_EVIDENCE_SILENT);
	assert_int_equal(count_events(SW_EVENT_DOUBT), 1);
	assert_false(is_out(1));
	now += SENSE_DOUBT_INTERVAL;
	doubt(1, SW_EVIDENCE_SILENT);
	assert_int_equal(count_events(SW_EVENT_DOUBT), 2);
}

/* What goes on failing after the ejection is told at the pace at which connections are closed. */
static void test_strays(void **state)
{
	(void)state;
	serve(2);
	fail_times(1, 3, SW_EVIDENCE_STATUS);
	fail_times(1, 10, SW_EVIDENCE_STATUS);
	assert_int_equal(count_events(SW_EVENT_STRAY), 1);
	now += SENSE_STRAY_INTERVAL - 1;
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	assert_int_equal(count_events(SW_EVENT_STRAY), 1);
	now++;
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	assert_int_equal(count_events(SW_EVENT_STRAY), 2);
	/* There is nothing to close where the peer did. */
	now += SENSE_STRAY_INTERVAL;
	fail_times(1, 1, SW_EVIDENCE_CLOSED);
	assert_int_equal(count_events(SW_EVENT_STRAY), 2);
}

static void test_who_judges_alone_judges(void **state)
{
	(void)state;
	serve(2);
	outlier[SERVICE].busy_until = now + 1;
	fail_times(1, 5, SW_EVIDENCE_STATUS);
	assert_false(is_out(1));
	now++; /* the other one died */
	fail_times(1, 1, SW_EVIDENCE_STATUS);
	assert_true(is_out(1));
	assert_int_equal(outlier[SERVICE].busy_until, 0);
}

static void test_sockets_of_another_generation_count_nothing(void **state)
{
	struct sw_socket socket = socket_of(1);

	(void)state;
	serve(2);
	sense_open(&socket);
	assert_int_equal(load[1].open, 1);
	backends[1].generation++;
	for (int i = 0; i < 10; i++)
		sense_failure(&socket, SW_EVIDENCE_REFUSED, 0);
	sense_success(&socket, SENSE_ANSWERED);
	assert_int_equal(load[1].connect_failures, 0);
	assert_int_equal(load[1].last_success, 0);
	load[1].open = 0;
	sense_close(&socket);
	assert_int_equal(load[1].open, 0);
}

static void test_status_lines(void **state)
{
	static const struct {
		const char *line;
		__u32 status;
		bool failure, interim;
	} rows[] = {
		{"HTTP/1.1 200 OK", 200, false, false}, {"HTTP/1.0 500 No", 500, true, false},
		{"HTTP/1.1 502 xx", 502, true, false},  {"HTTP/1.1 503\r\n.", 503, true, false},
		{"HTTP/1.1 504 xx", 504, true, false},  {"HTTP/1.1 501 xx", 501, false, false},
		{"HTTP/1.1 505 xx", 505, false, false}, {"HTTP/1.1 429 xx", 429, false, false},
		{"HTTP/1.1 100 xx", 100, false, true},  {"HTTP/1.1 103 xx", 103, false, true},
		{"HTTP/1.1 101 xx", 101, false, false}, {"HTTP/2.0 500 xx", 0, false, false},
		{"HTTP/1.x 500 xx", 0, false, false},   {"HTTP/1.1 5x0 xx", 0, false, false},
		{"http/1.1 500 xx", 0, false, false},   {"HTTP/1.1  500 x", 0, false, false},
		{"............", 0, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		__u32 status = sense_http_status((const __u8 *)rows[i].line);

		if (status != rows[i].status ||
		    sense_status_is_failure(status) != rows[i].failure ||
		    sense_status_is_interim(status) != rows[i].interim)
			fail_msg("%s: %u", rows[i].line, status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit_of_the_policy),
		cmocka_unit_test(test_failures_of_long_ago_are_not_in_a_row),
		cmocka_unit_test(test_clocks_of_two_cpus),
		cmocka_unit_test(test_ejections_get_longer),
		cmocka_unit_test(test_health_shortens_the_next_one),
		cmocka_unit_test(test_trial),
		cmocka_unit_test(test_trial_of_a_connection),
		cmocka_unit_test(test_first_refused_connection_makes_suspect),
		cmocka_unit_test(test_what_counts_as_good),
		cmocka_unit_test(test_refused_to_some_only),
		cmocka_unit_test(test_unanswered_connections),
		cmocka_unit_test(test_share_that_may_be_out),
		cmocka_unit_test(test_the_last_usable_one_stays),
		cmocka_unit_test(test_poison),
		cmocka_unit_test(test_what_is_no_poison),
		cmocka_unit_test(test_several_bad_ones),
		cmocka_unit_test(test_poison_beside_others),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_strays),
		cmocka_unit_test(test_who_judges_alone_judges),
		cmocka_unit_test(test_sockets_of_another_generation_count_nothing),
		cmocka_unit_test(test_status_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "source/kube_watch.h"

#include "base/cleanup.h"
#include "base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START (1000 * NSEC_PER_SEC)

/* A machine and its time. */
struct bench {
	struct kube_watch watch;
	uint64_t now;
	struct kube_action action; /* the last one */
};

static void say(struct bench *bench, struct kube_event event)
{
	bench->action = kube_watch_step(&bench->watch, &event, bench->now);
}

static void say_type(struct bench *bench, enum kube_happened type)
{
	say(bench, (struct kube_event){.type = type});
}

static void page(struct bench *bench, const char *version, const char *token)
{
	say_type(bench, KUBE_HEAD);
	say(bench, (struct kube_event){.type = KUBE_PAGE, .version = version, .token = token});
}

static void refuse(struct bench *bench, int code, unsigned int retry_after, const char *token)
{
	say(bench, (struct kube_event){.type = KUBE_REFUSED,
				       .code = code,
				       .retry_after = retry_after,
				       .token = token});
}

static void object(struct bench *bench, const char *version)
{
	say(bench, (struct kube_event){.type = KUBE_OBJECT, .version = version});
}

static uint64_t delay(const struct bench *bench)
{
	return bench->watch.deadline - bench->now;
}

/* Lets the time pass that the machine asks for. */
static void pass(struct bench *bench)
{
	bench->now = bench->watch.deadline;
	say_type(bench, KUBE_TIMER);
}

static void start(struct bench *bench)
{
	*bench = (struct bench){.now = START};
	kube_watch_init(&bench->watch, 42);
	say_type(bench, KUBE_START);
	assert_int_equal(bench->action.request, KUBE_LIST);
	assert_true(bench->action.first_page);
}

/* A watch that is open, from version "10". */
static void start_watching(struct bench *bench)
{
	start(bench);
	page(bench, "10", NULL);
	assert_int_equal(bench->action.request, KUBE_WATCH);
	assert_true(bench->action.listed);
	say_type(bench, KUBE_HEAD);
}

static void assert_waits(const struct bench *bench, uint64_t min, uint64_t max)
{
	assert_int_equal(bench->action.request, KUBE_STOP);
	assert_int_equal(bench->watch.state, KUBE_WATCH_WAITING);
	assert_in_range(delay(bench), min, max);
}

static void assert_requests(const struct bench *bench, enum kube_request_type request)
{
	assert_int_equal(bench->action.request, request);
}

/* An open watch is cut, and for some time nobody answers: then a list comes next. */
static void outage(struct bench *bench)
{
	start_watching(bench);
	object(bench, "11");
	say_type(bench, KUBE_CUT);
	pass(bench);
	assert_requests(bench, KUBE_WATCH);
	assert_string_equal(bench->watch.version, "11");
	for (int i = 0; i < 20; i++) {
		say_type(bench, KUBE_CUT);
		pass(bench);
		assert_requests(bench, KUBE_LIST);
		assert_true(bench->action.first_page);
	}
}

static void test_pages_then_watch(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench);
	page(&bench, "7", "t1");
	assert_requests(&bench, KUBE_LIST);
	assert_false(bench.action.first_page);
	assert_false(bench.action.listed);
	assert_string_equal(bench.watch.token, "t1");
	page(&bench, "7", "t2");
	assert_string_equal(bench.watch.token, "t2");
	page(&bench, "7", "");
	assert_requests(&bench, KUBE_WATCH);
	assert_true(bench.action.listed);
	assert_string_equal(bench.watch.version, "7");
	assert_in_range(bench.watch.timeout, 300, 600);
}

static void test_resumes_at_the_last_version(void **state)
{
	static const enum kube_happened ends[] = {KUBE_END, KUBE_CUT};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct bench bench;

		start_watching(&bench);
		object(&bench, "11");
		say(&bench, (struct kube_event){.type = KUBE_BOOKMARK, .version = "15"});
		bench.now += 20 * NSEC_PER_SEC;
		say_type(&bench, ends[i]);
		if (ends[i] == KUBE_CUT) {
			assert_waits(&bench, 50 * NSEC_PER_MSEC, 100 * NSEC_PER_MSEC);
			pass(&bench);
		}
		assert_requests(&bench, KUBE_WATCH);
		assert_string_equal(bench.watch.version, "15");
	}
}

/* A server that ends each watch as soon as it has told something. */
static void test_short_watches_are_spaced(void **state)
{
	struct bench bench;

	(void)state;
	start_watching(&bench);
	object(&bench, "11");
	say_type(&bench, KUBE_END);
	assert_waits(&bench, 50 * NSEC_PER_MSEC, 100 * NSEC_PER_MSEC);
}

static void test_version_too_old(void **state)
{
	struct bench bench;

	(void)state;
	start_watching(&bench);
	object(&bench, "11");
	refuse(&bench, 410, 0, "");
	assert_waits(&bench, 50 * NSEC_PER_MSEC, 100 * NSEC_PER_MSEC);
	pass(&bench);
	assert_requests(&bench, KUBE_LIST);
	assert_true(bench.action.first_page);
	page(&bench, "20", NULL);
	assert_string_equal(bench.watch.version, "20");
}

/* After a long outage the back-off is long; a 410 then must not wait for all of it. */
static void test_version_too_old_after_an_outage(void **state)
{
	struct bench bench;

	(void)state;
	outage(&bench);
	page(&bench, "12", NULL);
	say_type(&bench, KUBE_HEAD);
	refuse(&bench, 410, 0, "");
	assert_waits(&bench, 50 * NSEC_PER_MSEC, 100 * NSEC_PER_MSEC);
	/* But over and over it does. */
	for (int i = 0; i < 10; i++) {
		pass(&bench);
		page(&bench, "20", NULL);
		say_type(&bench, KUBE_HEAD);
		refuse(&bench, 410, 0, "");
	}
	assert_true(delay(&bench) > NSEC_PER_SEC);
}

static void test_continue_token_too_old(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench);
	page(&bench, "7", "stale");
	refuse(&bench, 410, 0, "fresh");
	pass(&bench);
	assert_requests(&bench, KUBE_LIST);
	assert_false(bench.action.first_page);
	assert_string_equal(bench.watch.token, "fresh");
	page(&bench, "30", NULL);
	/* The watch tells what changed after the first page. */
	assert_string_equal(bench.watch.version, "7");
	/* Without a fresh token, all begins anew. */
	start(&bench);
	page(&bench, "7", "stale");
	refuse(&bench, 410, 0, "");
	pass(&bench);
	assert_true(bench.action.first_page);
	assert_string_equal(bench.watch.token, "");
}

static void test_backoff(void **state)
{
	uint64_t base = 100 * NSEC_PER_MSEC;
	struct bench bench;

	(void)state;
	start(&bench);
	for (int i = 0; i < 15; i++) {
		say_type(&bench, KUBE_CUT);
		assert_waits(&bench, base / 2, base);
		pass(&bench);
		assert_requests(&bench, KUBE_LIST);
		base = base * 2 < 30 * NSEC_PER_SEC ? base * 2 : 30 * NSEC_PER_SEC;
	}
	page(&bench, "7", NULL);
	say_type(&bench, KUBE_HEAD);
	object(&bench, "8");
	bench.now += 5 * NSEC_PER_SEC;
	say_type(&bench, KUBE_CUT);
	assert_waits(&bench, 50 * NSEC_PER_MSEC, 100 * NSEC_PER_MSEC);
}

static void test_jitter_differs(void **state)
{
	struct kube_watch a;
	struct kube_watch b;
	struct kube_event events[] = {{.type = KUBE_START}, {.type = KUBE_CUT}};

	(void)state;
	kube_watch_init(&a, 1);
	kube_watch_init(&b, 99);
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		kube_watch_step(&a, &events[i], START);
		kube_watch_step(&b, &events[i], START);
	}
	assert_int_not_equal(a.deadline, b.deadline);
}

static void test_refusals(void **state)
{
	static const struct {
		int code;
		unsigned int retry_after;
		uint64_t min, max; /* s */
		bool missing;
		bool keeps_page;
	} rows[] = {
		{401, 0, 0, 1, false, true},    {403, 0, 0, 1, true, true},
		{404, 0, 0, 1, true, true},     {429, 1, 1, 2, false, true},
		{429, 20, 20, 21, false, true}, {429, 100000, 300, 301, false, true},
		{500, 0, 0, 1, false, true},    {503, 5, 5, 6, false, true},
		{504, 1, 1, 2, false, true},    {400, 0, 0, 1, false, false},
		{418, 0, 0, 1, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench bench;

		start(&bench);
		page(&bench, "7", "t1");
		refuse(&bench, rows[i].code, rows[i].retry_after, "");
		assert_waits(&bench, rows[i].min * NSEC_PER_SEC, rows[i].max * NSEC_PER_SEC);
		assert_int_equal(bench.action.missing, rows[i].missing);
		pass(&bench);
		assert_requests(&bench, KUBE_LIST);
		assert_int_equal(bench.action.first_page, !rows[i].keeps_page);
	}
}

/* A server that comes up refuses everything for some seconds. */
static void test_refused_after_an_outage(void **state)
{
	struct bench bench;

	(void)state;
	outage(&bench);
	refuse(&bench, 403, 0, "");
	assert_waits(&bench, 0, NSEC_PER_SEC);
	pass(&bench);
	assert_requests(&bench, KUBE_LIST);
}

static void test_hurry(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench);
	for (int i = 0; i < 20; i++) {
		pass(&bench);
		say_type(&bench, KUBE_CUT);
	}
	say_type(&bench, KUBE_HURRY);
	assert_int_equal(bench.action.request, KUBE_KEEP);
	assert_true(delay(&bench) <= 100 * NSEC_PER_MSEC);
	/* Who was about to resume a watch lists, too. */
	start_watching(&bench);
	object(&bench, "11");
	say_type(&bench, KUBE_CUT);
	say_type(&bench, KUBE_HURRY);
	pass(&bench);
	assert_requests(&bench, KUBE_LIST);
	assert_true(bench.action.first_page);
	/* Who was told to wait waits. */
	start(&bench);
	refuse(&bench, 429, 60, "");
	say_type(&bench, KUBE_HURRY);
	assert_true(delay(&bench) >= 60 * NSEC_PER_SEC);
}

static void test_silent_list(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench);
	say_type(&bench, KUBE_HEAD);
	bench.now += 20 * NSEC_PER_SEC;
	say_type(&bench, KUBE_DATA);
	assert_int_equal(delay(&bench), 30 * NSEC_PER_SEC);
	pass(&bench);
	assert_waits(&bench, 0, NSEC_PER_SEC);
	pass(&bench);
	assert_requests(&bench, KUBE_LIST);
	assert_true(bench.action.fresh);
	/* Not on the connection that was silent, until there was an answer on another one. */
	say_type(&bench, KUBE_CUT);
	pass(&bench);
	assert_true(bench.action.fresh);
	page(&bench, "7", "t1");
	assert_false(bench.action.fresh);
}

static void test_silent_watch(void **state)
{
	struct bench bench;

	(void)state;
	start_watching(&bench);
	object(&bench, "11");
	bench.now += 100 * NSEC_PER_SEC;
	object(&bench, "12");
	assert_int_equal(delay(&bench), 150 * NSEC_PER_SEC);
	pass(&bench);
	assert_requests(&bench, KUBE_WATCH);
	assert_true(bench.action.fresh);
	assert_string_equal(bench.watch.version, "12");
}

/* Not even a bookmark: the server may have been set back to an older state. */
static void test_mute_watch(void **state)
{
	struct bench bench;

	(void)state;
	start_watching(&bench);
	pass(&bench);
	assert_requests(&bench, KUBE_LIST);
	assert_true(bench.action.first_page);
	start_watching(&bench);
	bench.now += 120 * NSEC_PER_SEC;
	say_type(&bench, KUBE_END);
	assert_requests(&bench, KUBE_LIST);
}

static void test_watch_that_does_not_open(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench);
	page(&bench, "7", NULL);
	assert_int_equal(delay(&bench), 30 * NSEC_PER_SEC);
	pass(&bench);
	assert_waits(&bench, 0, NSEC_PER_SEC);
	pass(&bench);
	assert_requests(&bench, KUBE_LIST);
	assert_true(bench.action.fresh);
}

static void test_watches_that_fail_make_a_list(void **state)
{
	static const enum kube_happened ways[] = {KUBE_CUT, KUBE_GARBAGE, KUBE_END};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct bench bench;

		start_watching(&bench);
		for (int n = 0; n < 2; n++) {
			say_type(&bench, ways[i]);
			pass(&bench);
			assert_requests(&bench, KUBE_WATCH);
			say_type(&bench, KUBE_HEAD);
		}
		say_type(&bench, ways[i]);
		pass(&bench);
		assert_requests(&bench, KUBE_LIST);
		assert_true(bench.action.first_page);
	}
}

static void test_server_back_on_an_older_state(void **state)
{
	struct bench bench;

	(void)state;
	outage(&bench);
	page(&bench, "5", NULL);
	assert_requests(&bench, KUBE_WATCH);
	assert_true(bench.action.listed);
	assert_string_equal(bench.watch.version, "5");
}

static void test_late_events_change_nothing(void **state)
{
	(void)state;
	for (int type = KUBE_HEAD; type < KUBE_HAPPENED_COUNT; type++) {
		struct kube_watch before;
		struct bench bench;

		if (type == KUBE_HURRY)
			continue;
		start(&bench);
		say_type(&bench, KUBE_CUT);
		before = bench.watch;
		say(&bench, (struct kube_event){
				    .type = (enum kube_happened)type, .version = "1", .code = 410});
		assert_int_equal(bench.action.request, KUBE_KEEP);
		assert_memory_equal(&before, &bench.watch, sizeof(before));
	}
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005 + 1442695040888963407;
	return *seed >> 33;
}

static struct kube_event random_event(uint64_t *seed)
{
	static const int codes[] = {400, 401, 403, 404, 410, 410, 429, 500, 503, 504, 0, -1};
	static const char *const texts[] = {"", "1", "2", "a-token", NULL};

	return (struct kube_event){
		.type = (enum kube_happened)(next_random(seed) % KUBE_HAPPENED_COUNT),
		.version = texts[next_random(seed) % ARRAY_SIZE(texts)],
		.token = texts[next_random(seed) % ARRAY_SIZE(texts)],
		.code = codes[next_random(seed) % ARRAY_SIZE(codes)],
		.retry_after = (unsigned int)(next_random(seed) % 5 ? 0 : next_random(seed) % 1000),
	};
}

/* What must hold after every step. */
static void check_invariants(const struct bench *bench, enum kube_watch_state before)
{
	const struct kube_watch *watch = &bench->watch;
	bool under_way = watch->state == KUBE_WATCH_LISTING || watch->state == KUBE_WATCH_WATCHING;

	assert_in_range(watch->state, KUBE_WATCH_LISTING, KUBE_WATCH_WAITING);
	assert_true(watch->deadline > 0);
	assert_true(watch->deadline <= bench->now + 610 * NSEC_PER_SEC);
	assert_in_range(watch->backoff, 100 * NSEC_PER_MSEC, 30 * NSEC_PER_SEC);
	switch (bench->action.request) {
	case KUBE_KEEP:
		assert_int_equal(watch->state, before);
		break;
	case KUBE_LIST:
		assert_int_equal(watch->state, KUBE_WATCH_LISTING);
		assert_int_equal(bench->action.first_page, !*watch->token);
		break;
	case KUBE_WATCH:
		assert_int_equal(watch->state, KUBE_WATCH_WATCHING);
		break;
	case KUBE_STOP:
		assert_false(under_way);
		break;
	}
}

/* Whatever happens: from any state, time alone brings the next request. */
static void check_not_stuck(struct bench bench)
{
	for (int i = 0; i < 3; i++) {
		pass(&bench);
		if (bench.action.request == KUBE_LIST || bench.action.request == KUBE_WATCH)
			return;
	}
	fail_msg("no request in state %s", kube_watch_state_to_str(bench.watch.state));
}

static void test_random_events(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int run = 0; run < 300; run++) {
		struct bench bench;

		start(&bench);
		for (int i = 0; i < 300; i++) {
			enum kube_watch_state before = bench.watch.state;

			if (next_random(&seed) % 4 == 0)
				bench.now = bench.watch.deadline;
			else
				bench.now += next_random(&seed) % (3 * NSEC_PER_SEC);
			say(&bench, random_event(&seed));
			check_invariants(&bench, before);
		}
		check_not_stuck(bench);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_then_watch),
		cmocka_unit_test(test_resumes_at_the_last_version),
		cmocka_unit_test(test_short_watches_are_spaced),
		cmocka_unit_test(test_version_too_old),
		cmocka_unit_test(test_version_too_old_after_an_outage),
		cmocka_unit_test(test_continue_token_too_old),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_jitter_differs),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_refused_after_an_outage),
		cmocka_unit_test(test_hurry),
		cmocka_unit_test(test_silent_list),
		cmocka_unit_test(test_silent_watch),
		cmocka_unit_test(test_mute_watch),
		cmocka_unit_test(test_watch_that_does_not_open),
		cmocka_unit_test(test_watches_that_fail_make_a_list),
		cmocka_unit_test(test_server_back_on_an_older_state),
		cmocka_unit_test(test_late_events_change_nothing),
		cmocka_unit_test(test_random_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

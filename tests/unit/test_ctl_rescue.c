/* SPDX-License-Identifier: Apache-2.0 */
/* swervectl rescue on what the daemon really writes. */
#include "base/cleanup.h"
#include "base/duration.h"
#include "ctl/ctl_options.h"
#include "ctl/ctl_rescue.h"
#include "rescue/rescue_report.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW (100 * NSEC_PER_SEC)

static struct rescue_view *make_view(void)
{
	struct rescue_view *view = calloc(1, sizeof(*view));
	struct rescue_note note = {.ended = NOW - 2 * NSEC_PER_SEC,
				   .took = 350 * NSEC_PER_USEC,
				   .cause = RESCUE_RESET,
				   .outcome = RESCUE_RESCUED,
				   .service = "default/web:80/tcp",
				   .request = "GET /\"quoted\" HTTP/1.1",
				   .client_port = 40000,
				   .failed_port = 8080,
				   .other_port = 8081};

	assert_non_null(view);
	assert_int_equal(addr_from_str("10.244.0.1", &note.client), 0);
	assert_int_equal(addr_from_str("10.244.0.10", &note.failed), 0);
	assert_int_equal(addr_from_str("fd00::11", &note.other), 0);
	view->services = 2;
	view->running = true;
	view->results.stats.ended[RESCUE_RESET][RESCUE_RESCUED] = 17;
	view->results.stats.impossible[SW_OBSTACLE_EXCHANGE] = 23;
	view->results.recent[0] = note;
	note.outcome = RESCUE_NO_BUDGET;
	note.took = 0;
	note.other_port = 0;
	snprintf(note.service, sizeof(note.service), "default/other:80/tcp");
	view->results.recent[1] = note;
	view->results.notes = 2;
	return view;
}

static char *daemon_text(void)
{
	_cleanup_free_ struct rescue_view *view = make_view();
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	rescue_report_json(out, view, NOW);
	assert_int_equal(fclose(out), 0);
	return text;
}

static char *print(const struct ctl_options *options)
{
	_cleanup_free_ char *json = daemon_text();
	char error[128], *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(ctl_rescue(json, options, out, error, sizeof(error)), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_table(void **state)
{
	struct ctl_options options = {.verb = CTL_RESCUE};
	_cleanup_free_ char *text = print(&options);
	const char *row;

	(void)state;
	assert_non_null(strstr(text, "2 service(s) have opted in; failed requests are replayed\n"));
	assert_non_null(strstr(text, "CAUSE "));
	assert_non_null(strstr(text, "NO-BUDGET"));
	row = strstr(text, "\nreset ");
	assert_non_null(row);
	assert_non_null(strstr(row, " 17 "));
	assert_non_null(strstr(text, "IMPOSSIBLE "));
	row = strstr(text, "\nunfinished-exchange ");
	assert_non_null(row);
	assert_non_null(strstr(row, " 23\n"));
	assert_null(strstr(text, "pipelined"));
	assert_non_null(strstr(text, "10.244.0.10:8080"));
	assert_non_null(strstr(text, "[fd00::11]:8081"));
	assert_non_null(strstr(text, "0.35ms"));
	assert_non_null(strstr(text, "no-budget"));
	assert_null(strstr(text, "quoted"));
}

static void test_wide_and_filter(void **state)
{
	struct ctl_options options = {.verb = CTL_RESCUE, .format = CTL_WIDE, .filter = "/web"};
	_cleanup_free_ char *text = print(&options);

	(void)state;
	assert_non_null(strstr(text, "GET /\"quoted\" HTTP/1.1"));
	assert_non_null(strstr(text, "10.244.0.1:40000"));
	assert_null(strstr(text, "default/other"));
}

static void test_json_is_the_daemons(void **state)
{
	struct ctl_options options = {.verb = CTL_RESCUE, .format = CTL_JSON};
	_cleanup_free_ char *text = print(&options), *json = daemon_text();

	(void)state;
	assert_string_equal(text, json);
}

static void test_nonsense(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"services\":1,\"running\":true,\"counts\":[],\"recent\":[]}",
		"{\"services\":1,\"running\":true,\"counts\":{},\"recent\":[{}]}",
	};
	struct ctl_options options = {.verb = CTL_RESCUE};
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char error[128] = "";

		assert_int_equal(ctl_rescue(texts[i], &options, out, error, sizeof(error)),
				 -EBADMSG);
		assert_non_null(strstr(error, "/v1/rescue: "));
	}
	fclose(out);
}

static void test_metrics(void **state)
{
	_cleanup_free_ struct rescue_view *view = make_view();
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	rescue_report_metrics(out, view);
	fclose(out);
	assert_non_null(
		strstr(text, "\nswerve_rescues_total{cause=\"reset\",outcome=\"rescued\"} 17\n"));
	assert_non_null(strstr(text, "\nswerve_rescue_services 2\n"));
	assert_non_null(strstr(text, "\nswerve_rescue_running 1\n"));
	assert_non_null(strstr(text, "\nswerve_rescue_duration_seconds_count 0\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_wide_and_filter),
		cmocka_unit_test(test_json_is_the_daemons),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

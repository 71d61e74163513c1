/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon itself writes is decoded in test_ctl_view.c. */
#include "ctl/ctl_belief.h"

#include "base/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char good_status[] =
	"{\"version\":\"1\",\"abi_version\":1,\"node\":\"n\",\"uptime_seconds\":1.5,"
	"\"source\":{\"text\":\"s\",\"synced\":true,\"applied\":false,"
	"\"failing_services\":2,\"last_sync_seconds\":null},\"services\":0,\"probes\":0,"
	"\"probe_failures\":0,\"of_a_later_version\":[]}";

static void test_status(void **state)
{
	const struct belief_texts texts = {good_status, "{\"services\":[]}", "{\"backends\":[]}"};
	_cleanup_(ctl_belief_done) struct ctl_belief belief = {};
	char error[256];

	(void)state;
	assert_int_equal(ctl_belief_decode(&texts, &belief, error, sizeof(error)), 0);
	assert_string_equal(belief.daemon.node, "n");
	assert_true(belief.daemon.synced);
	assert_false(belief.daemon.applied);
	assert_int_equal(belief.daemon.failing, 2);
	assert_true(belief.daemon.uptime == 1.5);
	assert_true(belief.daemon.last_sync < 0);
	assert_int_equal(belief.services.len, 0);
}

#define SERVICE(name)                                                                   \
	"{\"name\":\"" name "\",\"protocol\":\"TCP\",\"frontends\":[\"10.96.0.1:80\"]," \
	"\"usable\":1,\"usable_hint\":1,\"ready\":1,\"terminating\":0,\"connects\":0,"  \
	"\"refused\":0,\"last_used_seconds\":null}"
#define BACKEND(service, index)                                                           \
	"{\"service\":\"" service "\",\"index\":" index ",\"address\":\"10.244.0.1:80\"," \
	"\"pod\":\"\",\"health\":\"refused\",\"terminating\":false,\"connects\":0,\"probe\":null}"

/* Between the two requests the service "b" went; and a backend without probe state is one, too. */
static void test_backends_find_their_services(void **state)
{
	const struct belief_texts texts = {
		good_status, "{\"services\":[" SERVICE("a") "," SERVICE("c") "]}",
		"{\"backends\":[" BACKEND("a", "1") "," BACKEND("b", "2") "," BACKEND(
			"c", "3") "," BACKEND("c", "4") "]}"};
	_cleanup_(ctl_belief_done) struct ctl_belief belief = {};
	char error[256] = "";

	(void)state;
	if (ctl_belief_decode(&texts, &belief, error, sizeof(error)))
		fail_msg("%s", error);
	assert_int_equal(belief.backends.len, 3);
	assert_int_equal(belief.services.items[0].backends, 1);
	assert_int_equal(belief.services.items[1].first_backend, 1);
	assert_int_equal(belief.services.items[1].backends, 2);
	assert_int_equal(belief.backends.items[2].index, 4);
	assert_int_equal(belief.backends.items[0].health, SW_HEALTH_REFUSED);
	assert_string_equal(belief.backends.items[0].state, "");
	assert_true(belief.backends.items[0].latency < 0);
}

/* An answer of another version or of something else is refused, and said why. */
static void test_nonsense(void **state)
{
	static const struct {
		struct belief_texts texts;
		const char *word;
	} rows[] = {
		{{"<html>", "{}", "{}"}, "/v1/status"},
		{{"{}", "{}", "{}"}, "version"},
		{{good_status, "{}", "{}"}, "services"},
		{{good_status, "{\"services\":[{}]}", "{}"}, "name"},
		{{good_status, "{\"services\":[]}", "{\"backends\":[3]}"}, "/v1/backends"},
		{{good_status, "{\"services\":[]}", ""}, "/v1/backends"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ctl_belief belief;
		char error[256] = "";

		assert_int_equal(ctl_belief_decode(&rows[i].texts, &belief, error, sizeof(error)),
				 -EBADMSG);
		if (!strstr(error, rows[i].word))
			fail_msg("row %zu: %s", i, error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_backends_find_their_services),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What results of probes mean; test_health.c runs the probes themselves. */
#include "health/probe.h"

#include "base/cleanup.h"
#include "base/duration.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct row {
	int error;
	int status;
	int verdict; /* -1: none */
};

static const struct row rows[] = {
	{0, 0, VERDICT_OK},
	{0, 199, VERDICT_ERROR},
	{0, 200, VERDICT_OK},
	{0, 204, VERDICT_OK},
	{0, 302, VERDICT_OK},
	{0, 399, VERDICT_OK},
	{0, 400, VERDICT_ERROR},
	{0, 404, VERDICT_ERROR},
	{0, 500, VERDICT_ERROR},
	{0, 999, VERDICT_ERROR},
	{-ECONNREFUSED, 0, VERDICT_REFUSED},
	{-EPROTO, 0, VERDICT_ERROR},
	{-ETIMEDOUT, 0, VERDICT_AMBIGUOUS},
	{-ECONNRESET, 0, VERDICT_AMBIGUOUS},
	{-EHOSTUNREACH, 0, VERDICT_AMBIGUOUS},
	{-ENETUNREACH, 0, VERDICT_AMBIGUOUS},
	{-EIO, 0, -1},
	{-EMFILE, 0, -1},
	{-ENFILE, 0, -1},
	{-ENOBUFS, 0, -1},
	{-ENOMEM, 0, -1},
	{-EADDRNOTAVAIL, 0, -1},
	{-EAFNOSUPPORT, 0, -1},
	{-EPERM, 0, -1},
};

static void test_judge(void **arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct probe_result result = {rows[i].error, rows[i].status, ""};
		enum health_verdict verdict = VERDICT_COUNT;
		bool counts = probe_judge(&result, &verdict);

		if (counts != (rows[i].verdict >= 0))
			fail_msg("row %zu: counts is %d", i, counts);
		assert_int_equal(verdict,
				 counts ? (enum health_verdict)rows[i].verdict : VERDICT_COUNT);
	}
}

static void check_words(int error, const char *want)
{
	struct probe_result result = probe_failed(error, 1500 * NSEC_PER_MSEC);

	assert_int_equal(result.error, error);
	assert_int_equal(result.status, 0);
	assert_string_equal(result.detail, want);
}

static void test_words(void **arg)
{
	(void)arg;
	check_words(-ECONNREFUSED, "connection refused");
	check_words(-ECONNRESET, "connection reset");
	check_words(-ETIMEDOUT, "time-out after 1.5s");
	check_words(-EMFILE, "Too many open files");
	check_words(-9999, "error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

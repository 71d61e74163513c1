/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/duration.h"
#include "model/probe_spec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_spec_equal(const struct probe_spec *a, const struct probe_spec *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_string_equal(a->path, b->path);
	assert_string_equal(a->host, b->host);
	assert_string_equal(a->grpc_service, b->grpc_service);
	assert_int_equal(a->port, b->port);
	assert_int_equal(a->rise, b->rise);
	assert_int_equal(a->fall, b->fall);
	assert_int_equal(a->interval, b->interval);
	assert_int_equal(a->fast, b->fast);
	assert_int_equal(a->timeout, b->timeout);
	assert_int_equal(a->given, b->given);
}

static void test_default(void **state)
{
	const struct probe_spec *spec = &PROBE_SPEC_DEFAULT;

	(void)state;
	assert_int_equal(spec->kind, PROBE_TCP);
	assert_string_equal(spec->path, "/");
	assert_int_equal(spec->port, 0);
	assert_int_equal(spec->rise, 2);
	assert_int_equal(spec->fall, 3);
	assert_int_equal(spec->interval, 100 * NSEC_PER_MSEC);
	assert_int_equal(spec->timeout, 500 * NSEC_PER_MSEC);
}

static void test_each_annotation_sets_its_field(void **state)
{
	static const char *const annotations[][2] = {
		{"swerve.dev/probe", "http"},
		{"swerve.dev/probe-path", "/healthz?full=1"},
		{"swerve.dev/probe-port", "8081"},
		{"swerve.dev/probe-interval", "1.5s"},
		{"swerve.dev/probe-timeout", "250ms"},
		{"swerve.dev/probe-rise", "1"},
		{"swerve.dev/probe-fall", "10"},
		{"swerve.dev/probe-host", "a.example"},
		{"swerve.dev/probe-grpc-service", "a.B/c"},
		{"swerve.dev/probe-fast-interval", "7ms"},
	};
	struct probe_spec spec = PROBE_SPEC_DEFAULT;
	const struct probe_spec expected = {
		.kind = PROBE_HTTP,
		.path = "/healthz?full=1",
		.host = "a.example",
		.grpc_service = "a.B/c",
		.port = 8081,
		.rise = 1,
		.fall = 10,
		.interval = 1500 * NSEC_PER_MSEC,
		.fast = 7 * NSEC_PER_MSEC,
		.timeout = 250 * NSEC_PER_MSEC,
		.given = (1U << PROBE_FIELD_HEADERS) - 1,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++) {
		const char *unused = NULL;

		assert_int_equal(
			probe_spec_set(&spec, annotations[i][0], annotations[i][1], &unused), 1);
		assert_null(unused);
	}
	assert_spec_equal(&spec, &expected);
	spec = PROBE_SPEC_DEFAULT;
	probe_spec_overlay(&spec, &expected);
	assert_spec_equal(&spec, &expected);
}

static void test_overlay_takes_what_was_given(void **state)
{
	struct probe_spec spec = PROBE_SPEC_DEFAULT, over = PROBE_SPEC_DEFAULT;
	const char *unused;

	(void)state;
	spec.kind = PROBE_GRPC;
	spec.fall = 7;
	probe_spec_set(&over, "swerve.dev/probe-rise", "5", &unused);
	probe_spec_overlay(&spec, &over);
	assert_int_equal(spec.kind, PROBE_GRPC);
	assert_int_equal(spec.fall, 7);
	assert_int_equal(spec.rise, 5);
	assert_int_equal(spec.given, 1U << PROBE_FIELD_RISE);
}

static void test_headers(void **state)
{
	static const char *const odd[][2] = {
		{"", "a"},          {"X A", "a"},  {"X:", "a"},
		{"X", "a\r\nY: b"}, {"X", "\x7f"}, {"X", "\n"},
	};
	struct probe_spec spec = PROBE_SPEC_DEFAULT, other = PROBE_SPEC_DEFAULT;
	char longest[PROBE_HEADERS_SIZE];

	(void)state;
	assert_int_equal(probe_spec_add_header(&spec, "X-A", "b: c"), 0);
	assert_int_equal(probe_spec_add_header(&spec, "X-B", ""), 0);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		assert_int_equal(probe_spec_add_header(&spec, odd[i][0], odd[i][1]), -EINVAL);
	assert_string_equal(spec.headers, "X-A: b: c\nX-B: \n");
	memset(longest, 'y', sizeof(longest));
	longest[PROBE_HEADERS_SIZE - 1 - strlen("X: \n")] = 0;
	assert_int_equal(probe_spec_add_header(&spec, "X", longest), -EINVAL);
	assert_int_equal(probe_spec_add_header(&other, "X", longest), 0);
	assert_int_equal(strlen(other.headers), PROBE_HEADERS_SIZE - 1);
	probe_spec_overlay(&other, &spec);
	assert_string_equal(other.headers, spec.headers);
}

static void test_limits_are_accepted(void **state)
{
	static const char *const annotations[][2] = {
		{"swerve.dev/probe", "tcp"},           {"swerve.dev/probe", "none"},
		{"swerve.dev/probe", "https"},         {"swerve.dev/probe", "grpc"},
		{"swerve.dev/probe-host", "10.0.0.1"}, {"swerve.dev/probe-grpc-service", ""},
		{"swerve.dev/probe-path", "/"},        {"swerve.dev/probe-path", "/a%20b~!"},
		{"swerve.dev/probe-port", "1"},        {"swerve.dev/probe-port", "65535"},
		{"swerve.dev/probe-interval", "10ms"}, {"swerve.dev/probe-interval", "1m"},
		{"swerve.dev/probe-timeout", "1ms"},   {"swerve.dev/probe-timeout", "60s"},
		{"swerve.dev/probe-rise", "10"},       {"swerve.dev/probe-fall", "1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++) {
		struct probe_spec spec = PROBE_SPEC_DEFAULT;
		const char *unused;

		if (probe_spec_set(&spec, annotations[i][0], annotations[i][1], &unused) != 1)
			fail_msg("%s: %s is refused", annotations[i][0], annotations[i][1]);
	}
}

static void test_what_does_not_fit_changes_nothing(void **state)
{
	static const char *const annotations[][2] = {
		{"swerve.dev/probe", ""},
		{"swerve.dev/probe", "HTTP"},
		{"swerve.dev/probe", "smtp"},
		{"swerve.dev/probe-path", ""},
		{"swerve.dev/probe-path", "healthz"},
		{"swerve.dev/probe-path", "/a b"},
		{"swerve.dev/probe-path", "/a\r\nHost: b"},
		{"swerve.dev/probe-path", "/\x7f"},
		{"swerve.dev/probe-path", "/\xc3\xa9"},
		{"swerve.dev/probe-host", ""},
		{"swerve.dev/probe-host", "a b"},
		{"swerve.dev/probe-host", "a:80"},
		{"swerve.dev/probe-host", "a/b"},
		{"swerve.dev/probe-host", "user@a"},
		{"swerve.dev/probe-grpc-service", "a b"},
		{"swerve.dev/probe-port", ""},
		{"swerve.dev/probe-port", "0"},
		{"swerve.dev/probe-port", "65536"},
		{"swerve.dev/probe-port", "-1"},
		{"swerve.dev/probe-port", "+1"},
		{"swerve.dev/probe-port", " 80"},
		{"swerve.dev/probe-port", "80x"},
		{"swerve.dev/probe-port", "0x50"},
		{"swerve.dev/probe-port", "4294967376"},
		{"swerve.dev/probe-interval", "100"},
		{"swerve.dev/probe-interval", "fast"},
		{"swerve.dev/probe-interval", "9ms"},
		{"swerve.dev/probe-interval", "61s"},
		{"swerve.dev/probe-interval", "-1s"},
		{"swerve.dev/probe-fast-interval", "4ms"},
		{"swerve.dev/probe-timeout", "0"},
		{"swerve.dev/probe-timeout", "999us"},
		{"swerve.dev/probe-timeout", "2h"},
		{"swerve.dev/probe-rise", "0"},
		{"swerve.dev/probe-rise", "11"},
		{"swerve.dev/probe-fall", "0"},
		{"swerve.dev/probe-fall", "three"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++) {
		struct probe_spec spec = PROBE_SPEC_DEFAULT;
		const char *expected = NULL;

		if (probe_spec_set(&spec, annotations[i][0], annotations[i][1], &expected) !=
		    -EINVAL)
			fail_msg("%s: \"%s\" is accepted", annotations[i][0], annotations[i][1]);
		assert_non_null(expected);
		assert_spec_equal(&spec, &PROBE_SPEC_DEFAULT);
	}
}

static void test_length_of_path(void **state)
{
	struct probe_spec spec = PROBE_SPEC_DEFAULT;
	char path[PROBE_PATH_SIZE + 1];
	const char *expected;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[PROBE_PATH_SIZE] = 0;
	assert_int_equal(probe_spec_set(&spec, "swerve.dev/probe-path", path, &expected), -EINVAL);
	assert_string_equal(spec.path, "/");
	path[PROBE_PATH_SIZE - 1] = 0;
	assert_int_equal(probe_spec_set(&spec, "swerve.dev/probe-path", path, &expected), 1);
	assert_string_equal(spec.path, path);
}

static void test_length_of_texts(void **state)
{
	struct probe_spec spec = PROBE_SPEC_DEFAULT;
	char text[PROBE_HOST_SIZE + 1] = {};
	const char *expected;

	(void)state;
	memset(text, 'a', PROBE_HOST_SIZE);
	assert_int_equal(probe_spec_set(&spec, "swerve.dev/probe-host", text, &expected), -EINVAL);
	text[PROBE_HOST_SIZE - 1] = 0;
	assert_int_equal(probe_spec_set(&spec, "swerve.dev/probe-host", text, &expected), 1);
	text[PROBE_GRPC_SERVICE_SIZE] = 0;
	assert_int_equal(probe_spec_set(&spec, "swerve.dev/probe-grpc-service", text, &expected),
			 -EINVAL);
	text[PROBE_GRPC_SERVICE_SIZE - 1] = 0;
	assert_int_equal(probe_spec_set(&spec, "swerve.dev/probe-grpc-service", text, &expected),
			 1);
	assert_string_equal(spec.grpc_service, text);
}

static void test_other_annotations(void **state)
{
	static const char *const keys[] = {
		"",
		"swerve.dev/",
		"swerve.dev/probe-",
		"swerve.dev/probe-ports",
		"probe",
		"example.com/swerve.dev/probe",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct probe_spec spec = PROBE_SPEC_DEFAULT;
		const char *unused;

		assert_int_equal(probe_spec_set(&spec, keys[i], "1", &unused), 0);
		assert_spec_equal(&spec, &PROBE_SPEC_DEFAULT);
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(probe_kind_to_str(PROBE_TCP), "tcp");
	assert_string_equal(probe_kind_to_str(PROBE_HTTP), "http");
	assert_string_equal(probe_kind_to_str(PROBE_HTTPS), "https");
	assert_string_equal(probe_kind_to_str(PROBE_GRPC), "grpc");
	assert_string_equal(probe_kind_to_str(PROBE_DNS), "dns");
	assert_string_equal(probe_kind_to_str(PROBE_NONE), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_each_annotation_sets_its_field),
		cmocka_unit_test(test_overlay_takes_what_was_given),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_limits_are_accepted),
		cmocka_unit_test(test_what_does_not_fit_changes_nothing),
		cmocka_unit_test(test_length_of_path),
		cmocka_unit_test(test_length_of_texts),
		cmocka_unit_test(test_other_annotations),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

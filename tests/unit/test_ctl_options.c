/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_options.h"

#include "base/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ARGS_MAX = 8 };

static char *no_env(const char *name)
{
	(void)name;
	return NULL;
}

static char *some_env(const char *name)
{
	static char pin_dir[] = "/env/pins", status[] = "";

	if (!strcmp(name, "SWERVE_PIN_DIR"))
		return pin_dir;
	return strcmp(name, "SWERVE_STATUS_ADDRESS") ? NULL : status;
}

static int parse(const char *const args[ARGS_MAX], char *(*env)(const char *),
		 struct ctl_options *ret, char *error, size_t size)
{
	char *argv[ARGS_MAX + 1] = {(char *)"swervectl"};
	int argc = 1;

	for (; argc <= ARGS_MAX && args[argc - 1]; argc++)
		argv[argc] = (char *)args[argc - 1];
	return ctl_options_parse(argc, argv, env, ret, error, size);
}

struct good {
	const char *args[ARGS_MAX];
	struct ctl_options want;
};

static const struct good good[] = {
	{{"services"},
	 {.verb = CTL_SERVICES,
	  .pin_dir = "/sys/fs/bpf/swerve",
	  .status_address = "127.0.0.1:9810"}},
	{{"backends", "-o", "json", "web"},
	 {.verb = CTL_BACKENDS,
	  .format = CTL_JSON,
	  .filter = "web",
	  .pin_dir = "/sys/fs/bpf/swerve",
	  .status_address = "127.0.0.1:9810"}},
	{{"-owide", "--pin-dir=/p", "status", "--status-address", ""},
	 {.verb = CTL_STATUS, .format = CTL_WIDE, .pin_dir = "/p", .status_address = ""}},
	{{"--output=table", "services", "--status-address=[::1]:1", "--pin-dir", "/q"},
	 {.verb = CTL_SERVICES, .pin_dir = "/q", .status_address = "[::1]:1"}},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct ctl_options *want = &good[i].want;
		struct ctl_options options;
		char error[256] = "";

		if (parse(good[i].args, no_env, &options, error, sizeof(error)))
			fail_msg("row %zu: %s", i, error);
		assert_int_equal(options.verb, want->verb);
		assert_int_equal(options.format, want->format);
		assert_string_equal(options.pin_dir, want->pin_dir);
		assert_string_equal(options.status_address, want->status_address);
		assert_int_equal(!options.filter, !want->filter);
		if (want->filter)
			assert_string_equal(options.filter, want->filter);
	}
}

struct bad {
	const char *args[ARGS_MAX];
	const char *word; /* in the sentence */
};

static const struct bad bad[] = {
	{{NULL}, "command"},
	{{"nonsense"}, "nonsense"},
	{{"services", "-o", "yaml"}, "yaml"},
	{{"services", "-o"}, "-o"},
	{{"services", "--pin-dir"}, "--pin-dir"},
	{{"services", "--pin"}, "--pin"},
	{{"services", "a", "b"}, "b"},
	{{"status", "web"}, "web"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ctl_options options = {.filter = "untouched"};
		char error[256] = "";

		assert_int_equal(parse(bad[i].args, no_env, &options, error, sizeof(error)),
				 -EINVAL);
		assert_non_null(strstr(error, bad[i].word));
		assert_string_equal(options.filter, "untouched");
	}
}

static void test_environment(void **state)
{
	const char *const plain[ARGS_MAX] = {"services"};
	const char *const named[ARGS_MAX] = {"services", "--pin-dir", "/named"};
	struct ctl_options options;
	char error[256];

	(void)state;
	assert_int_equal(parse(plain, some_env, &options, error, sizeof(error)), 0);
	assert_string_equal(options.pin_dir, "/env/pins");
	assert_string_equal(options.status_address, "");
	assert_int_equal(parse(named, some_env, &options, error, sizeof(error)), 0);
	assert_string_equal(options.pin_dir, "/named");
}

static void test_help_needs_no_command(void **state)
{
	const char *const args[ARGS_MAX] = {"--help"};
	struct ctl_options options;
	char error[256];

	(void)state;
	assert_int_equal(parse(args, no_env, &options, error, sizeof(error)), 0);
	assert_true(options.help);
}

static void test_match(void **state)
{
	static const struct {
		const char *filter;
		bool match;
	} rows[] = {
		{NULL, true},    {"web", true},       {"default/", true},
		{"dns", false},  {"default/*", true}, {"*web*", true},
		{"web*", false}, {"", true},          {"default/w?b:80/TCP", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct ctl_options options = {.filter = rows[i].filter};

		assert_int_equal(ctl_options_match(&options, "default/web:80/TCP"), rows[i].match);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),        cmocka_unit_test(test_bad),
		cmocka_unit_test(test_environment), cmocka_unit_test(test_help_needs_no_command),
		cmocka_unit_test(test_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

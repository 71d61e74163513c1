/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/cgroup2.h"
#include "agent/health_options.h"
#include "agent/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARGS = 8 };

static char *no_env(const char *name)
{
	(void)name;
	return NULL;
}

static char *some_env(const char *name)
{
	if (!strcmp(name, "SWERVE_PIN_DIR"))
		return (char *)"/from/env";
	if (!strcmp(name, "SWERVE_STATUS_ADDRESS"))
		return (char *)"";
	return !strcmp(name, "SWERVE_SOURCE") ? (char *)"file:/env.json" : NULL;
}

static int parse(char *const args[MAX_ARGS], char *(*env)(const char *), struct options *ret,
		 char *error, size_t size)
{
	char *argv[MAX_ARGS + 1] = {(char *)"swerved"};
	int argc = 1;

	for (int i = 0; i < MAX_ARGS - 1 && args[i]; i++)
		argv[argc++] = args[i];
	return options_parse(argc, argv, env, ret, error, size);
}

static void test_values(void **state)
{
	char *args[MAX_ARGS] = {(char *)"--source", (char *)"file:/a.json",
				(char *)"--pin-dir=/pins"};
	struct options options;
	char error[256];

	(void)state;
	assert_int_equal(parse(args, no_env, &options, error, sizeof(error)), 0);
	assert_string_equal(options.source, "file:/a.json");
	assert_string_equal(options.pin_dir, "/pins");
	assert_string_equal(options.status_address, "127.0.0.1:9810");
	assert_string_equal(options.health_address, "");
	assert_string_equal(options.log_level, "info");
	assert_string_equal(options.demand_ttl, "60s");
	assert_string_equal(options.max_probes, "2000");
	assert_null(options.cgroup);
	assert_false(options.cleanup);
}

static void test_environment_is_between_defaults_and_arguments(void **state)
{
	char *args[MAX_ARGS] = {(char *)"--source", (char *)"file:/arg.json"};
	struct options options;
	char error[256];

	(void)state;
	assert_int_equal(parse(args, some_env, &options, error, sizeof(error)), 0);
	assert_string_equal(options.source, "file:/arg.json");
	assert_string_equal(options.pin_dir, "/from/env");
	assert_string_equal(options.status_address, "");
}

static void test_errors(void **state)
{
	static const struct {
		char *args[MAX_ARGS];
		const char *expected;
	} cases[] = {
		{{(char *)"--sauce", (char *)"x"}, "unknown option --sauce"},
		{{(char *)"--source"}, "a value is missing after --source"},
		{{(char *)"--cleanup=yes"}, "no value is taken by --cleanup=yes"},
		{{(char *)"source"}, "unexpected argument source"},
		{{(char *)"--"}, "unknown option --"},
		{{NULL}, "--source"},
	};
	struct options options = {.source = "untouched"};
	char error[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(cases[i].args, no_env, &options, error, sizeof(error)),
				 -EINVAL);
		assert_non_null(strstr(error, cases[i].expected));
		assert_string_equal(options.source, "untouched");
	}
}

static void test_help_names_every_option_and_its_default(void **state)
{
	static const char *const expected[] = {
		"--source",           "--node-name",   "--cgroup",  "--pin-dir",
		"--status-address",   "--log-level",   "--cleanup", "SWERVE_STATUS_ADDRESS",
		"/sys/fs/bpf/swerve", "127.0.0.1:9810"};
	char *help = options_help();

	(void)state;
	assert_non_null(help);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_non_null(strstr(help, expected[i]));
	free(help);
}

static void test_health_options(void **state)
{
	char *const args[MAX_ARGS] = {(char *)"--source=kube"};
	static const struct {
		const char *ttl, *rate;
		uint64_t demand_ttl;
		unsigned int max_rate;
	} good[] = {
		{"60s", "2000", 60000000000ULL, 2000},
		{"0", "0", 0, 0},
		{"1m30s", "1000000", 90000000000ULL, 1000000},
	};
	struct health_options config;
	struct options options;
	char error[256];

	(void)state;
	assert_int_equal(parse(args, no_env, &options, error, sizeof(error)), 0);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		options.demand_ttl = good[i].ttl;
		options.max_probes = good[i].rate;
		assert_int_equal(health_options_parse(&options, &config, error, sizeof(error)), 0);
		assert_int_equal(config.health.demand_ttl, good[i].demand_ttl);
		assert_int_equal(config.health.max_rate, good[i].max_rate);
	}
}

/* The defaults of the command line are those of the modules. */
static void test_health_defaults(void **state)
{
	char *const args[MAX_ARGS] = {(char *)"--source=kube"};
	struct health_options config;
	struct options options;
	char error[256];

	(void)state;
	assert_int_equal(parse(args, no_env, &options, error, sizeof(error)), 0);
	assert_int_equal(health_options_parse(&options, &config, error, sizeof(error)), 0);
	assert_memory_equal(&config.health, &HEALTH_CONFIG_DEFAULT, sizeof(config.health));
	assert_memory_equal(&config.probe, &PROBE_SPEC_DEFAULT, sizeof(config.probe));
	assert_memory_equal(&config.conns, &CONN_POLICY_FALLBACK, sizeof(config.conns));
	assert_true(config.pod_probes);
}

static void test_health_timing(void **state)
{
	static const char *const args[] = {
		"swerved",
		"--source=kube",
		"--probe-interval=1s",
		"--probe-fast-interval=10ms",
		"--probe-down-interval=5s",
		"--probe-timeout=2s",
		"--probe-min-timeout=70ms",
		"--probe-rise=4",
		"--probe-fall=5",
		"--down-grace=3s",
		"--hang-grace=0",
		"--slow-start=5s",
	};
	struct health_options config;
	struct options options;
	char error[256];

	(void)state;
	assert_int_equal(options_parse(sizeof(args) / sizeof(args[0]), (char *const *)args, no_env,
				       &options, error, sizeof(error)),
			 0);
	assert_int_equal(health_options_parse(&options, &config, error, sizeof(error)), 0);
	assert_int_equal(config.probe.interval, 1000000000);
	assert_int_equal(config.probe.fast, 10000000);
	assert_int_equal(config.health.slow, 5000000000);
	assert_int_equal(config.probe.timeout, 2000000000);
	assert_int_equal(config.health.min_timeout, 70000000);
	assert_int_equal(config.probe.rise, 4);
	assert_int_equal(config.probe.fall, 5);
	assert_int_equal(config.conns.down_grace, 3000000000);
	assert_int_equal(config.conns.hang_grace, 0);
	assert_int_equal(config.conns.slow_start, 5000000000);
	/* Only annotations make a time-out one that does not adapt. */
	assert_int_equal(config.probe.given, 0);
}

static void test_health_errors(void **state)
{
	static const char *const bad[] = {
		"--demand-ttl=60",
		"--demand-ttl=-1s",
		"--demand-ttl=",
		"--max-probes-per-second=",
		"--max-probes-per-second=1000001",
		"--max-probes-per-second=-1",
		"--max-probes-per-second=4294967297",
		"--probe-interval=1ms",
		"--probe-fast-interval=2m",
		"--probe-down-interval=x",
		"--probe-timeout=0",
		"--probe-min-timeout=x",
		"--probe-rise=0",
		"--probe-fall=11",
		"--down-grace=11m",
		"--hang-grace=-1s",
		"--slow-start=x",
		"--pod-probes=yes",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *const args[MAX_ARGS] = {(char *)"--source=kube", (char *)bad[i]};
		struct health_options config = {.health.max_rate = 7};
		struct options options;
		char error[256], option[64];

		snprintf(option, sizeof(option), "%.*s", (int)strcspn(bad[i], "="), bad[i]);
		assert_int_equal(parse(args, no_env, &options, error, sizeof(error)), 0);
		assert_int_equal(health_options_parse(&options, &config, error, sizeof(error)),
				 -EINVAL);
		assert_non_null(strstr(error, option));
		assert_int_equal(config.health.max_rate, 7);
	}
}

static void test_cgroup2_mount(void **state)
{
	static const char pure[] = "25 30 0:23 / /sys rw - sysfs sysfs rw\n"
				   "28 25 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n";
	static const char hybrid[] =
		"28 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
		"29 28 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
		"30 28 0:28 / /sys/fs/cgroup/a\\040b rw shared:4 master:1 - cgroup2 c rw\n";
	char path[64], tiny[8];

	(void)state;
	assert_int_equal(cgroup2_find_mount(pure, path, sizeof(path)), 0);
	assert_string_equal(path, "/sys/fs/cgroup");
	assert_int_equal(cgroup2_find_mount(hybrid, path, sizeof(path)), 0);
	assert_string_equal(path, "/sys/fs/cgroup/a b");
	assert_int_equal(cgroup2_find_mount("1 2 3\nx - cgroup2", path, sizeof(path)), -ENOENT);
	assert_int_equal(cgroup2_find_mount("", path, sizeof(path)), -ENOENT);
	assert_int_equal(cgroup2_find_mount(pure, tiny, sizeof(tiny)), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_environment_is_between_defaults_and_arguments),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_help_names_every_option_and_its_default),
		cmocka_unit_test(test_health_options),
		cmocka_unit_test(test_health_defaults),
		cmocka_unit_test(test_health_timing),
		cmocka_unit_test(test_health_errors),
		cmocka_unit_test(test_cgroup2_mount),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

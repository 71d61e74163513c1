/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct option_row {
	const char *name;
	const char *value_name; /* NULL: a flag */
	size_t offset;
	const char *fallback; /* shown in --help; NULL: none */
	const char *help;
};

#define OPTION(field) offsetof(struct options, field)

/* clang-format off */
static const struct option_row rows[] = {
	{"source", "kube|file:PATH", OPTION(source), NULL,
	 "where services and endpoints come from: the Kubernetes API server (default in\n"
	 "a pod), or a JSON file as kubectl prints it, or a directory of such files;\n"
	 "read again when it changes"},
	{"kubeconfig", "FILE", OPTION(kubeconfig), NULL,
	 "how to log in to the API server (default: the service account of the pod)"},
	{"api-server", "URL", OPTION(api_server), NULL,
	 "the API server's own address. Without kube-proxy the address that pods have\n"
	 "for it works only once swerved serves, so it must not depend on that"},
	{"endpoints-api", "API", OPTION(endpoints_api), "auto",
	 "endpointslices, endpoints, or auto: endpoints where the API server has no\n"
	 "discovery.k8s.io/v1 or forbids it"},
	{"service-proxy-name", "NAME", OPTION(service_proxy_name), NULL,
	 "serve the services whose label service.kubernetes.io/service-proxy-name is\n"
	 "NAME (default: those without it)"},
	{"node-name", "NAME", OPTION(node_name), NULL,
	 "name of this node in Kubernetes (default: the host's name)"},
	{"nodeport-addresses", "ADDRESSES", OPTION(nodeport_addresses), "",
	 "where NodePorts are reached, on every node: ranges with commas between them\n"
	 "(10.0.0.0/8,fd00::/8), primary for each node's first address, or empty for\n"
	 "all its addresses, 127.0.0.1 included"},
	{"cgroup", "PATH", OPTION(cgroup), NULL,
	 "sockets below this cgroup2 directory are served (default: where cgroup2 is\n"
	 "mounted, that is every process of the node)"},
	{"pin-dir", "DIR", OPTION(pin_dir), "/sys/fs/bpf/swerve",
	 "directory on a bpf file system where maps and programs stay pinned"},
	{"status-address", "ADDR:PORT", OPTION(status_address), "127.0.0.1:9810",
	 "where swervectl, probes and Prometheus ask; empty for none"},
	{"health-address", "ADDR:PORT", OPTION(health_address), "",
	 "where load balancers ask, for /healthz and /livez only, as at 0.0.0.0:10256 of\n"
	 "kube-proxy; empty for none"},
	{"demand-ttl", "DURATION", OPTION(demand_ttl), "60s",
	 "endpoints of Services that this node did not use for so long are probed\n"
	 "every 10 s at most; 0: all are always probed at their interval"},
	{"max-probes-per-second", "N", OPTION(max_probes), "2000",
	 "intervals grow rather than that more probes start; 0: no limit"},
	{"probe-interval", "DURATION", OPTION(probe_interval), "100ms",
	 "from probe to probe of an endpoint that is well; this and the next ones hold\n"
	 "for Services whose annotations say nothing else (docs/health.md)"},
	{"probe-fast-interval", "DURATION", OPTION(probe_fast_interval), "20ms",
	 "the same while a doubt is to be cleared"},
	{"probe-down-interval", "DURATION", OPTION(probe_down_interval), "1s",
	 "the same, at most, for an endpoint that is down"},
	{"probe-timeout", "DURATION", OPTION(probe_timeout), "500ms",
	 "how long a probe waits for an answer, at most"},
	{"probe-min-timeout", "DURATION", OPTION(probe_min_timeout), "50ms",
	 "how long at least, when the endpoint has always been much faster"},
	{"probe-rise", "N", OPTION(probe_rise), "2",
	 "successes in a row that bring an endpoint back"},
	{"probe-fall", "N", OPTION(probe_fall), "3",
	 "time-outs in a row that take it out"},
	{"pod-probes", "on|off", OPTION(pod_probes), "on",
	 "ask the API server for the readinessProbe of pods that are used and whose\n"
	 "Service does not say how to probe them"},
	{"down-grace", "DURATION", OPTION(down_grace), "1s",
	 "how long an endpoint must have been down before its connections are closed"},
	{"hang-grace", "DURATION", OPTION(hang_grace), "50ms",
	 "the same if it does not answer"},
	{"slow-start", "DURATION", OPTION(slow_start), "2s",
	 "how long an endpoint that is back has less than its share of connections"},
	{"retry-on", "LIST", OPTION(retry_on), "none",
	 "replay failed requests of Services without the annotation swerve.dev/retry-on:\n"
	 "5xx, reset, refused, timeout"},
	{"retry-methods", "LIST", OPTION(retry_methods), "GET,HEAD,OPTIONS,PUT,DELETE",
	 "which methods, without swerve.dev/retry-methods"},
	{"retry-timeout", "DURATION", OPTION(retry_timeout), "1s",
	 "how long after a failure another response may begin, without swerve.dev/retry-timeout"},
	{"retry-budget", "PERCENT", OPTION(retry_budget), "20%",
	 "replays, of the requests of the last 10 s, without swerve.dev/retry-budget"},
	{"request-timeout", "DURATION", OPTION(request_timeout), "0",
	 "when a request without an answer has failed, without swerve.dev/request-timeout;\n"
	 "0: never"},
	{"no-attempt-header", NULL, OPTION(no_attempt_header), NULL,
	 "do not tell pods by \"Swerve-Attempt: 2\" that a request is replayed"},
	{"log-level", "LEVEL", OPTION(log_level), "info",
	 "error, warn, info or debug"},
	{"cleanup", NULL, OPTION(cleanup), NULL,
	 "remove everything that swerved ever made in --pin-dir, and exit"},
	{"version", NULL, OPTION(version), NULL, "print the version and exit"},
	{"help", NULL, OPTION(help), NULL, "print this text and exit"},
};
/* clang-format on */

static int fail(char *error, size_t size, const char *what, const char *subject)
{
	snprintf(error, size, "%s%s; see --help.", what, subject);
	return -EINVAL;
}

static const struct option_row *find_row(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strlen(rows[i].name) == len && !memcmp(rows[i].name, name, len))
			return &rows[i];
	}
	return NULL;
}

static void set_value(struct options *options, const struct option_row *row, const char *value)
{
	void *field = (char *)options + row->offset;

	if (row->value_name)
		*(const char **)field = value;
	else
		*(bool *)field = true;
}

/* Handles argv[i]; returns how many arguments it took, or -EINVAL. */
static int parse_one(int argc, char *const argv[], int i, struct options *options, char *error,
		     size_t size)
{
	const char *arg = argv[i], *equals = strchr(arg, '=');
	const struct option_row *row;

	if (strncmp(arg, "--", 2))
		return fail(error, size, "unexpected argument ", arg);
	row = find_row(arg + 2, equals ? (size_t)(equals - arg - 2) : strlen(arg + 2));
	if (!row)
		return fail(error, size, "unknown option ", arg);
	if (!row->value_name) {
		if (equals)
			return fail(error, size, "no value is taken by ", arg);
		set_value(options, row, NULL);
		return 1;
	}
	if (equals) {
		set_value(options, row, equals + 1);
		return 1;
	}
	if (i + 1 >= argc)
		return fail(error, size, "a value is missing after ", arg);
	set_value(options, row, argv[i + 1]);
	return 2;
}

static void env_name(const struct option_row *row, char *ret, size_t size)
{
	snprintf(ret, size, "SWERVE_%s", row->name);
	for (char *c = ret; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

static void set_defaults(struct options *options, char *(*env)(const char *name))
{
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *value;

		if (!rows[i].value_name)
			continue;
		env_name(&rows[i], name, sizeof(name));
		value = env(name);
		set_value(options, &rows[i], value ? value : rows[i].fallback);
	}
}

int options_parse(int argc, char *const argv[], char *(*env)(const char *name), struct options *ret,
		  char *error, size_t error_size)
{
	struct options options = {};

	set_defaults(&options, env);
	for (int i = 1; i < argc;) {
		int taken = parse_one(argc, argv, i, &options, error, error_size);

		if (taken < 0)
			return taken;
		i += taken;
	}
	if (!options.source && env("KUBERNETES_SERVICE_HOST"))
		options.source = "kube";
	if (!options.source && !options.cleanup && !options.help && !options.version)
		return fail(error, error_size, "--source is missing, for example ",
			    "--source kube --kubeconfig FILE");
	*ret = options;
	return 0;
}

static void help_row(FILE *out, const struct option_row *row)
{
	char env[64], left[64];
	const char *line = row->help;

	snprintf(left, sizeof(left), "--%s %s", row->name, row->value_name ? row->value_name : "");
	while (*line) {
		int len = (int)strcspn(line, "\n");

		fprintf(out, "  %-26s %.*s\n", line == row->help ? left : "", len, line);
		line += len + (line[len] == '\n');
	}
	if (!row->value_name)
		return;
	env_name(row, env, sizeof(env));
	if (row->fallback)
		fprintf(out, "  %-26s (default %s; %s)\n", "", row->fallback, env);
	else
		fprintf(out, "  %-26s (%s)\n", "", env);
}

char *options_help(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "usage: swerved --source kube|file:PATH [option...]\n"
		     "       swerved --cleanup [--pin-dir DIR]\n\n"
		     "Sends connections to Kubernetes Services to pods that live.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		help_row(out, &rows[i]);
	fclose(out);
	return text;
}

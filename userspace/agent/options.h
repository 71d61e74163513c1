/* SPDX-License-Identifier: Apache-2.0 */
/* Command line and environment of swerved, from one table. Pure: argv and a look-up in, values out. */
#pragma once

#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>

struct options {
	const char *source;             /* "file:PATH" or "kube" */
	const char *node_name;          /* NULL: the host's name */
	const char *nodeport_addresses; /* for node_ports_parse() */
	const char *cgroup;             /* NULL: where cgroup2 is mounted */
	const char *pin_dir;
	const char *status_address; /* "ADDR:PORT", or "" for none */
	const char *health_address; /* the same */
	const char *log_level;
	const char *kubeconfig;         /* NULL: as a pod does it */
	const char *api_server;         /* URL; NULL: as the credentials say */
	const char *service_proxy_name; /* NULL: services that name no proxy */
	const char *endpoints_api;      /* "auto", "endpointslices", "endpoints" */
	const char *demand_ttl;         /* a duration */
	const char *max_probes;         /* a number */
	const char *probe_interval;     /* this and the next: as the annotations say it */
	const char *probe_fast_interval;
	const char *probe_down_interval; /* a duration */
	const char *probe_timeout;       /* as the annotation */
	const char *probe_min_timeout;   /* a duration */
	const char *probe_rise;          /* this and the next: as the annotations */
	const char *probe_fall;
	const char *pod_probes; /* "on" or "off" */
	const char *down_grace;
	const char *hang_grace;
	const char *slow_start;
	const char *retry_on; /* what the annotations of the same names take */
	const char *retry_methods;
	const char *retry_timeout;
	const char *retry_budget;
	const char *request_timeout;
	bool no_attempt_header;
	bool cleanup;
	bool help;
	bool version;
};

/*
 * Parses argv; what it does not name comes from the environment (SWERVE_SOURCE for --source), then
 * from the defaults. The default of --source is "kube" in a pod (KUBERNETES_SERVICE_HOST is set).
 * `env` is getenv() or a stand-in. The strings are borrowed from argv and the environment. Returns 0, or -EINVAL with a sentence in error; then *ret is untouched.
 */
int options_parse(int argc, char *const argv[], char *(*env)(const char *name), struct options *ret,
		  char *error, size_t error_size);

/* The text of --help; the caller frees it. NULL: no memory. */
char *options_help(void);

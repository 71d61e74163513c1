/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP probe is a GET as kubelet sends it: a new connection each time, so that a listener that
 * is gone or a full accept queue is noticed, and "Host" is the address and port that are asked.
 */
#include "health/probe.h"
#include "net/http_client.h"

#include <errno.h>
#include <stdio.h>

/* kubelet's name, which servers know, and ours, so that operators can tell the two apart. */
#define USER_AGENT "kube-probe/1.36 (swerve)"

enum { URL_SIZE = sizeof("http://") + ADDR_PORT_STR_SIZE + PROBE_PATH_SIZE };

static void http_on_done(void *arg, const struct http_result *answer)
{
	struct probe *probe = arg;
	struct probe_result result = {.error = answer->error, .status = answer->status};

	probe->request = NULL;
	if (answer->error == -ETIMEDOUT)
		result = probe_failed(answer->error, probe->timeout);
	else
		snprintf(result.detail, sizeof(result.detail), "%s", answer->detail);
	probe_end(probe, &result);
}

static int http_start(struct probe *probe, const struct probe_spec *spec, const struct addr *addr,
		      uint16_t port)
{
	char url[URL_SIZE], where[ADDR_PORT_STR_SIZE];
	struct http_get get = {
		.url = url,
		.user_agent = USER_AGENT,
		.timeout = spec->timeout,
		.fresh = true,
		.done = http_on_done,
		.arg = probe,
	};

	snprintf(url, sizeof(url), "http://%s%s", addr_port_to_str(addr, port, where), spec->path);
	return http_client_get(probe->client, &get, &probe->request);
}

static void http_stop(struct probe *probe)
{
	http_request_cancel(probe->request);
	probe->request = NULL;
}

const struct probe_ops probe_http_ops = {.start = http_start, .stop = http_stop};

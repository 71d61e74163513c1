/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP probe is a GET as kubelet sends it: "Host" is the address and port that are asked, unless
 * the spec names another; redirects to other places of the same host are followed. Over plain HTTP
 * each has a new connection, so that a listener that is gone or a full accept queue is noticed; over
 * TLS, where that costs twenty times as much, every tenth.
 */
#include "health/probe.h"
#include "net/http_client.h"

#include <errno.h>
#include <stdio.h>

enum {
	URL_SIZE = sizeof("https://:65535") + PROBE_HOST_SIZE + ADDR_PORT_STR_SIZE + PROBE_PATH_SIZE
};

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

static void write_url(const struct probe_spec *spec, const struct addr *addr, uint16_t port,
		      char url[static URL_SIZE])
{
	const char *scheme = spec->kind == PROBE_HTTPS ? "https" : "http";
	char where[ADDR_PORT_STR_SIZE];

	if (*spec->host)
		snprintf(url, URL_SIZE, "%s://%s:%u%s", scheme, spec->host, port, spec->path);
	else
		snprintf(url, URL_SIZE, "%s://%s%s", scheme, addr_port_to_str(addr, port, where),
			 spec->path);
}

/* An old connection says nothing about the listener. */
static bool wants_fresh(struct probe *probe, const struct probe_spec *spec)
{
	enum { REUSED_MAX = 9 };

	if (spec->kind == PROBE_HTTPS && probe->reused++ < REUSED_MAX)
		return false;
	probe->reused = 0;
	return true;
}

static int http_start(struct probe *probe, const struct probe_spec *spec, const struct addr *addr,
		      uint16_t port)
{
	char url[URL_SIZE], address[ADDR_STR_SIZE + 2], text[ADDR_STR_SIZE];
	struct http_get get = {
		.url = url,
		.user_agent = PROBE_USER_AGENT,
		.timeout = probe->timeout,
		.fresh = wants_fresh(probe, spec),
		.follow = true,
		.address = *spec->host ? address : NULL,
		.headers = *spec->headers ? spec->headers : NULL,
		.done = http_on_done,
		.arg = probe,
	};

	snprintf(address, sizeof(address), addr_is_v4(addr) ? "%s" : "[%s]",
		 addr_to_str(addr, text));
	write_url(spec, addr, port, url);
	return http_client_get(probe->client, &get, &probe->request);
}

static void http_stop(struct probe *probe)
{
	http_request_cancel(probe->request);
	probe->request = NULL;
}

const struct probe_ops probe_http_ops = {.start = http_start, .stop = http_stop};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gRPC probe is a call of grpc.health.v1.Health/Check as kubelet makes it, on plaintext HTTP/2:
 * whatever is not SERVING is a failure, also that the server does not know the call. Each has a new
 * connection: libcurl before 8.0 fails to use such a one again (CURLE_HTTP2), and without TLS it is
 * cheap.
 */
#include "health/grpc_health.h"
#include "health/probe.h"
#include "net/http_client.h"

#include <errno.h>
#include <stdio.h>

enum { URL_SIZE = sizeof("http:///grpc.health.v1.Health/Check") + ADDR_PORT_STR_SIZE };

static const char *status_words(int status)
{
	const char *name = grpc_status_to_str(status);

	return name ? name : "no status";
}

/* What came as an answer. */
static void judge_answer(const struct http_result *answer, struct probe_result *result)
{
	size_t size = answer->body_size;
	enum grpc_serving serving = GRPC_SERVING_INVALID;

	if (size <= HTTP_BODY_KEPT)
		serving = grpc_health_response(answer->body, size);
	result->error = answer->status == 200 && answer->grpc_status == 0 && serving == GRPC_SERVING
				? 0
				: -EPROTO;
	if (answer->status != 200)
		snprintf(result->detail, sizeof(result->detail), "HTTP %d", answer->status);
	else if (answer->grpc_status)
		snprintf(result->detail, sizeof(result->detail), "gRPC %s",
			 status_words(answer->grpc_status));
	else
		snprintf(result->detail, sizeof(result->detail), "gRPC %s",
			 grpc_serving_to_str(serving));
}

static void grpc_on_done(void *arg, const struct http_result *answer)
{
	struct probe *probe = arg;
	struct probe_result result = {.error = answer->error};

	probe->request = NULL;
	if (answer->error == -ETIMEDOUT)
		result = probe_failed(answer->error, probe->timeout);
	else if (answer->error)
		snprintf(result.detail, sizeof(result.detail), "%s", answer->detail);
	else
		judge_answer(answer, &result);
	probe_end(probe, &result);
}

static int grpc_start(struct probe *probe, const struct probe_spec *spec, const struct addr *addr,
		      uint16_t port)
{
	char url[URL_SIZE], where[ADDR_PORT_STR_SIZE];
	uint8_t message[GRPC_HEALTH_SIZE];
	struct http_get get = {
		.url = url,
		.user_agent = PROBE_USER_AGENT,
		.timeout = probe->timeout,
		.fresh = true,
		.grpc = message,
		.grpc_size = grpc_health_request(spec->grpc_service, message),
		.done = grpc_on_done,
		.arg = probe,
	};

	snprintf(url, sizeof(url), "http://%s/grpc.health.v1.Health/Check",
		 addr_port_to_str(addr, port, where));
	return http_client_get(probe->client, &get, &probe->request);
}

static void grpc_stop(struct probe *probe)
{
	http_request_cancel(probe->request);
	probe->request = NULL;
}

const struct probe_ops probe_grpc_ops = {.start = grpc_start, .stop = grpc_stop};

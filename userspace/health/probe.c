/* SPDX-License-Identifier: Apache-2.0 */
#include "health/probe.h"

#include "base/duration.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct probe_ops *const kinds[PROBE_KIND_COUNT] = {
	[PROBE_TCP] = &probe_tcp_ops,    [PROBE_HTTP] = &probe_http_ops,
	[PROBE_HTTPS] = &probe_http_ops, [PROBE_GRPC] = &probe_grpc_ops,
	[PROBE_DNS] = &probe_dns_ops,    [PROBE_NONE] = NULL,
};

int probe_start(struct probe *probe, const struct probe_spec *spec, const struct addr *addr,
		uint16_t port, uint64_t timeout)
{
	int r;

	assert(!probe->ops && kinds[spec->kind]);
	probe->timeout = timeout;
	r = kinds[spec->kind]->start(probe, spec, addr, port);
	if (!r)
		probe->ops = kinds[spec->kind];
	return r;
}

void probe_stop(struct probe *probe)
{
	const struct probe_ops *ops = probe->ops;

	probe->ops = NULL;
	if (ops)
		ops->stop(probe);
}

void probe_end(struct probe *probe, const struct probe_result *result)
{
	probe_stop(probe);
	probe->done(probe, result);
}

/* The short words; NULL for errors that are too rare to have any. */
static const char *error_words(int error)
{
	switch (-error) {
	case ECONNREFUSED:
		return "connection refused";
	case ECONNRESET:
		return "connection reset";
	case EHOSTUNREACH:
		return "no route to host";
	case ENETUNREACH:
		return "network unreachable";
	}
	return strerrordesc_np(-error);
}

struct probe_result probe_failed(int error, uint64_t timeout)
{
	struct probe_result result = {.error = error};
	char text[DURATION_STR_SIZE];
	const char *words = error_words(error);

	if (error == -ETIMEDOUT)
		snprintf(result.detail, sizeof(result.detail), "time-out after %s",
			 duration_to_str(timeout, text));
	else
		snprintf(result.detail, sizeof(result.detail), "%s", words ? words : "error");
	return result;
}

static bool judge_error(int error, enum health_verdict *ret)
{
	switch (-error) {
	case ECONNREFUSED:
		*ret = VERDICT_REFUSED;
		return true;
	case EPROTO:
		*ret = VERDICT_ERROR;
		return true;
	/* What the network may answer, or what a dying peer leaves. */
	case ETIMEDOUT:
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENETDOWN:
	case ENOPROTOOPT:
		*ret = VERDICT_AMBIGUOUS;
		return true;
	}
	return false;
}

bool probe_judge(const struct probe_result *result, enum health_verdict *ret)
{
	if (result->error)
		return judge_error(result->error, ret);
	/* kubelet's rule. A redirect is what was not followed: to another host, or one too many. */
	if (!result->status || (result->status >= 200 && result->status < 400))
		*ret = VERDICT_OK;
	else
		*ret = VERDICT_ERROR;
	return true;
}

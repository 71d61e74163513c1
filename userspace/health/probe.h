/* SPDX-License-Identifier: Apache-2.0 */
/* One probe of one backend, and what its outcome says. */
#pragma once

#include "base/addr.h"
#include "health/health_fsm.h"
#include "loop/loop.h"
#include "model/probe_spec.h"

#include <stdbool.h>
#include <stdint.h>

struct http_client;
struct http_request;
struct probe_ops;

enum { PROBE_DETAIL_SIZE = 64 };

/* kubelet's name, which servers know, and ours, so that operators can tell the two apart. */
#define PROBE_USER_AGENT "kube-probe/1.36 (swerve)"

struct probe_result {
	int error;                      /* 0, or -errno when there was no answer */
	int status;                     /* of HTTP; 0 for other kinds */
	char detail[PROBE_DETAIL_SIZE]; /* a few words for people */
};

/* Embedded by the caller, who sets what is not private and zeroes the rest. */
struct probe {
	struct loop *loop;          /* borrowed */
	struct http_client *client; /* borrowed */

	/*
	 * Called once for each probe, from the loop, never from inside probe_start(). The probe is
	 * over then; *probe may be started again or freed. `result` is borrowed for the call.
	 */
	void (*done)(struct probe *probe, const struct probe_result *result);
	bool whole; /* TCP: the handshake of each is completed, see probe_tcp.c */
	/* private */
	const struct probe_ops *ops; /* NULL when none is under way */
	uint64_t timeout;            /* ns, of this probe */
	uint16_t port;
	uint16_t dns_id;
	uint8_t reused; /* probes in a row that were cheap: no, or not a whole, connection of their own */
	struct loop_io io;
	struct loop_timer timer;
	struct http_request *request;
};

/*
 * Starts a probe that fails when there is no answer after `timeout` (ns), whatever the spec says of
 * that; none may be under way. Returns 0 or -errno: then it could not be sent, `done` is
 * not called, and probe_failed() makes a result of the error.
 */
int probe_start(struct probe *probe, const struct probe_spec *spec, const struct addr *addr,
		uint16_t port, uint64_t timeout);

static inline bool probe_is_under_way(const struct probe *probe)
{
	return probe->ops;
}

/* Ends a probe without a callback. Idempotent. */
void probe_stop(struct probe *probe);

/* The result of a probe that ended with -errno after at most `timeout` (ns). */
struct probe_result probe_failed(int error, uint64_t timeout);

/*
 * Says what a result means for the backend. Returns false if it means nothing: errors of this
 * machine (no descriptors, no ports, no memory, a local firewall) are no evidence. Nor is an error
 * that is not known, like the HTTP client's -EIO.
 */
bool probe_judge(const struct probe_result *result, enum health_verdict *ret);

/* The kinds of probes, for probe.c. */
struct probe_ops {
	int (*start)(struct probe *probe, const struct probe_spec *spec, const struct addr *addr,
		     uint16_t port);
	void (*stop)(struct probe *probe);
};

extern const struct probe_ops probe_tcp_ops;
extern const struct probe_ops probe_http_ops;
extern const struct probe_ops probe_grpc_ops;
extern const struct probe_ops probe_dns_ops;

/* Called by a kind when its probe is over: stops it and hands the result to `done`. */
void probe_end(struct probe *probe, const struct probe_result *result);

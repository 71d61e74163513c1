/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon says of itself: the answers of its status API, decoded. Pure. */
#pragma once

#include "base/vec.h"
#include "swerve_abi.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All strings are borrowed from the answers. Times are seconds; negative: never, not known. */

struct belief_backend {
	const char *service, *address, *pod;
	uint32_t index; /* in sw_backends */
	enum sw_health health;
	bool terminating;
	uint64_t connects;
	const char *state;  /* of the state machine; "" if it is not known to health */
	const char *detail; /* of the last probe, "" before the first */
	const char *next;   /* what comes next, in words */
	json_t *history;    /* borrowed; NULL: none */
	double since, last_probe, latency;
	uint64_t probes, failures, discarded;
};

struct belief_service {
	const char *name, *protocol;
	VEC(const char *) frontends;
	uint32_t usable, usable_hint, ready, terminating;
	uint64_t connects, refused;
	double last_used;
	size_t first_backend, backends; /* in ctl_belief.backends, in the order of the slots */
};

struct belief_daemon {
	const char *version, *node, *source;
	bool synced, applied;
	double uptime, last_sync;
	uint32_t abi_version;
	uint64_t failing, services, probes, probe_failures;
};

struct ctl_belief {
	struct belief_daemon daemon;
	VEC(struct belief_service) services; /* ordered by name */
	VEC(struct belief_backend) backends; /* those of one service together */
	json_t *roots[3];                    /* owned: what the strings are borrowed from */
};

/* The bodies of /v1/status, /v1/services and /v1/backends. */
struct belief_texts {
	const char *status, *services, *backends;
};

/*
 * Decodes the three answers. On success the caller owns *ret. Returns 0, -ENOMEM, or -EBADMSG if
 * they are not what this version understands; then `error` says why.
 */
int ctl_belief_decode(const struct belief_texts *texts, struct ctl_belief *ret, char *error,
		      size_t error_size);

void ctl_belief_done(struct ctl_belief *belief);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel serves, read from the maps alone: services with their frontends, and their
 * backends in the order of the slots. Pure: arrays and frontends in, values out. The maps may
 * change meanwhile, and are trusted in nothing: an index out of range counts as a gap.
 */
#pragma once

#include "base/addr.h"
#include "base/vec.h"
#include "datapath/dp_maps.h"
#include "swerve_abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In which order the kernel takes backends: the same as enum rank in bpf/choose.bpf.h. */
enum dp_rank {
	DP_RANK_USABLE,
	DP_RANK_SUSPECT,
	DP_RANK_EJECTED,
	DP_RANK_DOWN,
	DP_RANK_TERMINATING,
	DP_RANK_REFUSED,
	DP_RANK_ABSENT,
	DP_RANK_COUNT
};

/* "usable", "suspect", … */
const char *dp_rank_to_str(enum dp_rank rank);

struct dp_snapshot_backend {
	uint32_t index; /* in sw_backends */
	struct addr addr;
	uint16_t port;    /* host order */
	bool terminating; /* its slots are among those used when nothing else is left */
	bool lowered;     /* some of its responses fail: it gets half of its share */
	enum sw_health health;
	enum dp_rank rank;
	uint64_t ejected_until, changed; /* ns of CLOCK_MONOTONIC; 0: not, never */
	uint64_t suspect_until;
	uint64_t connects;
	uint32_t open;             /* TCP connections */
	enum sw_evidence evidence; /* of the last ejection */
	uint32_t status;           /* HTTP status of the last ejection; 0: it was none */
};

struct dp_snapshot_service {
	char name[SW_SERVICE_NAME_SIZE];
	uint32_t index; /* in sw_services */
	uint8_t proto;
	uint64_t last_used; /* ns of CLOCK_MONOTONIC; 0: never */
	uint64_t connects;  /* also to backends that are gone */
	uint64_t refused;
	uint32_t usable_hint;        /* as frontends show it: sum over ranges of slots */
	uint32_t ready, terminating; /* of the backends */
	uint32_t gaps;               /* slots without a backend of this service */
	bool torn; /* frontends disagree about one range of slots; the first one counts here */
	VEC(struct dp_frontend_entry) frontends; /* ordered by address and port */
	VEC(struct dp_snapshot_backend) backends;
};

struct dp_snapshot {
	uint32_t abi_version;
	uint64_t heartbeat; /* ns of CLOCK_MONOTONIC; 0: never */
	bool trusted;       /* the heartbeat is recent: the kernel goes by health */
	VEC(struct dp_snapshot_service) services; /* ordered by name and index */
	size_t frontends, backends;
	size_t broken; /* frontends that lead to no service */
};

/*
 * Reads the arrays of *maps (its frontends_fd is not used) and the frontends. On success the
 * caller owns *ret. Returns 0 or -ENOMEM.
 */
int dp_snapshot_take(const struct dp_maps *maps, const struct dp_frontend_entries *frontends,
		     uint64_t now, struct dp_snapshot *ret);

void dp_snapshot_done(struct dp_snapshot *snapshot);

/* SPDX-License-Identifier: Apache-2.0 */
/* One moment of the daemon as plain values, for the formatters. */
#pragma once

#include "base/addr.h"
#include "base/histogram.h"
#include "base/vec.h"
#include "datapath/datapath.h"
#include "health/health.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* How far the source is. */
struct status_progress {
	bool synced;        /* it has delivered everything once */
	bool applied;       /* and that is what the kernel serves */
	bool eligible;      /* load balancers may choose this node */
	uint64_t last_sync; /* ns of CLOCK_MONOTONIC; 0: never */
	uint64_t
		away_since; /* when the API server was lost, ns of CLOCK_MONOTONIC; 0: it is there */
	size_t failing;     /* services that are not fully applied, and tried again */
	uint64_t conns_closed; /* connections to backends that are down */
	uint64_t udp_moved;    /* connected UDP sockets that were given another backend */
	uint64_t conn_errors;  /* such backends of which some may still be open */
	uint64_t ejections;    /* by what connections showed, since the daemon started */
	uint64_t spared;       /* would have been ejected, but too few others were left */
	uint64_t excused;      /* times that connections failed for some clients only */
	uint64_t poison;       /* times that all failed, so the requests were to blame */
};

/* Where the values come from. All is borrowed. */
struct status_context {
	const struct datapath *datapath;
	const struct health *health;
	const struct model *model;
	const char *source;                  /* as on the command line */
	uint64_t started;                    /* ns of CLOCK_MONOTONIC */
	const struct histogram *programming; /* from a change's arrival to the kernel serving it */

	/* The pod of a backend as "namespace/name", borrowed; "" or NULL when it is not known. */
	const char *(*target)(void *arg, uint32_t backend);
	void (*progress)(void *arg, struct status_progress *ret);

	/* Rescue writes for itself: its metrics, and all of /v1/rescue. NULL: there is none. */
	void (*rescue_metrics)(void *rescue, FILE *out);
	void (*rescue_json)(void *rescue, FILE *out);
	void *rescue;
	void *arg;
};

struct status_backend {
	uint32_t index;
	struct addr addr;
	uint16_t port;         /* host order */
	bool terminating;      /* used when nothing else is left */
	bool known;            /* to health: `probe` is meaningful */
	bool ejected;          /* by the kernel, for what connections showed */
	bool lowered;          /* gets half of its share, since some of its responses fail */
	enum sw_health health; /* as the daemon believes that the kernel has it */
	uint64_t connects;
	const char *pod; /* borrowed, never NULL */
	struct health_view probe;
};

struct status_port {
	const char *name;                     /* "namespace/name:port/proto" */
	const struct dp_frontends *frontends; /* borrowed */
	uint8_t proto;
	uint32_t usable;             /* by health as it is now */
	uint32_t ready, terminating; /* of the backends */
	uint32_t usable_hint;        /* sum of those that frontends show, each list once */
	uint64_t connects, refused;
	uint64_t last_used;             /* ns of CLOCK_MONOTONIC; 0: never */
	size_t first_backend, backends; /* in status_view.backends */
};

struct status_view {
	const struct status_context *context; /* borrowed */
	uint64_t now, started;
	const char *version, *node, *source;
	const struct histogram *programming; /* borrowed */
	struct status_progress progress;
	size_t objects[OBJECT_KIND_COUNT];
	size_t services; /* with at least one port */
	size_t frontends;
	struct dp_usage maps[DP_USAGES + 1]; /* and that of sw_sources */
	struct health_totals probes;
	VEC(struct status_port) ports; /* ordered by name */
	VEC(struct status_backend) backends;
};

/* The caller owns *ret; what it borrows holds until anything changes. Returns 0 or -ENOMEM. */
int status_view_take(const struct status_context *context, uint64_t now, struct status_view *ret);
void status_view_done(struct status_view *view);

/* How many backends have that health. */
size_t status_view_count(const struct status_view *view, enum sw_health health);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what is installed and what is wanted to the ordered list of operations that gets from one
 * to the other. Pure.
 *
 * The invariant: after every prefix of the list, every frontend points only to slots that hold
 * backends of its own service. So what a frontend will point to is written before it, and what it
 * pointed to is given back after it, and used again only after a grace period.
 */
#pragma once

#include "base/vec.h"
#include "datapath/dp_table.h"

enum dp_op_kind {
	DP_SET_SERVICE,  /* name into a new element */
	DP_SET_POLICY,   /* of a service */
	DP_SET_BACKEND,  /* a new element, health unknown */
	DP_SET_SLOT,     /* which backend */
	DP_SET_FRONTEND, /* add or replace */
	DP_DELETE_FRONTEND,
};

struct dp_op {
	enum dp_op_kind kind;
	uint32_t index; /* of service, backend or slot */
	union {
		const char *name;        /* DP_SET_SERVICE; borrowed from the port */
		struct sw_policy policy; /* DP_SET_POLICY */
		struct {                 /* DP_SET_BACKEND */
			struct sw_backend backend;
			uint64_t uid_hash; /* as in struct dp_backend */
		};
		struct sw_slot slot; /* DP_SET_SLOT */
		struct {             /* DP_SET_FRONTEND; the key for DP_DELETE_FRONTEND */
			struct sw_frontend_key key;
			struct sw_frontend value;
		} frontend;
	};
};

/* A backend that appeared or went. */
struct dp_backend_change {
	uint32_t index;
	bool added;
	bool terminating; /* gone: it was so before */
	size_t endpoint;  /* added: position in the plan's endpoints */
};

struct dp_changes {
	VEC(struct dp_op) ops;
	VEC(struct dp_backend_change) backends;
	size_t conflicts;                /* frontends that another service has: left out */
	struct sw_frontend_key conflict; /* one of them */
	size_t left_out;                 /* of single other nodes, since the map is too full */
};

void dp_changes_done(struct dp_changes *changes);

/* What a diff asks about things that are not in the plan. */
struct dp_policy {
	/* The order of the slots: usable backends first. */
	bool (*usable)(const void *arg, uint32_t backend);
	/*
	 * Whether the claim is better than that of `owner`, which has the frontend now, or will not
	 * have it any more once it is planned itself: then it is handed over, with one operation and
	 * without a gap. NULL: never.
	 */
	bool (*may_take)(const void *arg, const struct dp_port *owner,
			 const struct sw_frontend_key *key, enum plan_claim claim);
	const void *arg;
};

/*
 * Makes *table what *want says and appends the operations for the maps to *changes. What is freed
 * is released at `due`. Returns 0; -ENOSPC if a map is full or -ENOMEM: then the port is installed
 * as it was before, or not at all. Frontends of single other nodes are left out before that.
 */
int dp_diff_port(struct dp_table *table, const struct plan_port *want,
		 const struct dp_policy *policy, uint64_t due, struct dp_changes *changes);

/* Removes a port: `port` is freed. Returns 0 or -ENOMEM: then it is still there. */
int dp_diff_remove(struct dp_table *table, struct dp_port *port, uint64_t due,
		   struct dp_changes *changes);

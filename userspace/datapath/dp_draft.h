/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a port will look like, and everything for it that can run out (indices, slots, memory),
 * taken before anything changes that anybody sees. Private to dp_diff. Pure.
 */
#pragma once

#include "datapath/dp_diff.h"

struct dp_draft {
	struct dp_table *table;
	struct dp_port *port; /* as it is installed */
	const struct plan_port *want;
	const struct dp_policy *policy;
	bool fresh_port;
	struct dp_backends backends; /* parallel to want->endpoints */
	struct dp_lists lists;       /* parallel to want->lists */
	/* Parallel to lists: whose range the list goes on to use, borrowed; NULL: a list is new. */
	VEC(struct dp_list *) old;
	struct dp_frontends frontends;
};

/*
 * Finds the port, or adds an empty one. Returns 0, -ENOSPC or -ENOMEM; on success the draft is to
 * be filled, then committed or undone.
 */
int dp_draft_begin(struct dp_table *table, const struct plan_port *want,
		   const struct dp_policy *policy, struct dp_draft *ret);

/* Fills backends, lists and frontends; notes conflicts in *changes. Returns 0, -ENOSPC, -ENOMEM. */
int dp_draft_fill(struct dp_draft *draft, struct dp_changes *changes);

/* Gives everything back that the draft has taken, also the port if it was added. */
void dp_draft_undo(struct dp_draft *draft);

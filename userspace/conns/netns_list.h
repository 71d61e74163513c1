/* SPDX-License-Identifier: Apache-2.0 */
/* The network namespaces of this node's processes: what a walk through all of them finds. */
#pragma once

#include "base/vec.h"
#include "conns/netns_walk.h"

struct netns_list {
	struct netns *items; /* keep the namespaces alive, so do not hold on to the list */
	size_t len;
	size_t cap;
};

/*
 * Opens each namespace once. `proc` is "/proc", or a stand-in for it. What can not be read is left
 * out: processes end at any time, and some may be hidden. Returns 0 or -errno; the caller ends with
 * netns_list_done() in any case.
 */
int netns_list_read(struct netns_list *list, const char *proc);

/* Closes all and leaves an empty list. */
void netns_list_done(struct netns_list *list);

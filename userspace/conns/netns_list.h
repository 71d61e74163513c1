/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network namespaces of this node's processes, as far as /proc shows them: all of them with
 * the host's PID namespace (hostPID), else those of the container. A namespace that only a thread
 * or an open descriptor is in is not seen.
 */
#pragma once

#include "base/vec.h"

#include <sys/types.h>

struct netns {
	dev_t device;
	ino_t inode;
	int fd; /* owned; keeps the namespace alive, so do not hold on to the list */
};

struct netns_list {
	struct netns *items;
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

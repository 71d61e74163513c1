/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process of this node after the other, and its network namespace, as far as /proc shows them: all
 * with the host's PID namespace (hostPID), else those of the container. A namespace that only a thread
 * or an open descriptor is in is not seen.
 */
#pragma once

#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

struct netns {
	dev_t device;
	ino_t inode;
	int fd; /* owned; keeps the namespace alive */
};

/* Starts with {.proc = "/proc"}, or a stand-in for it. */
struct netns_walk {
	const char *proc;
	/* private */
	DIR *directory; /* NULL: not begun */
	char process[16];
	size_t hidden; /* to be read: processes whose namespace may not be seen */
};

/*
 * Goes on to the next process, and says which namespace it is in, without opening it: ret->fd is -1. The
 * first call begins. Processes end at any time, and are left out like those that are hidden. Returns 1, 0
 * at the end, or -errno; behind both the next call begins anew.
 */
int netns_walk_next(struct netns_walk *walk, struct netns *ret);

/*
 * Opens the namespace of the process that the walk is at: ret->fd is the caller's. The process may have
 * gone to another namespace meanwhile: ret says which one it is. Returns 0 or -errno.
 */
int netns_walk_open(const struct netns_walk *walk, struct netns *ret);

/* Ends it early. Idempotent. */
void netns_walk_stop(struct netns_walk *walk);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk through the network namespaces of this node, closing the connections of a list of jobs.
 * A connected UDP socket has no connection that could be lost: it is moved to another backend, and
 * closed only if it comes to the same one again, or none is left.
 * Blocks, and changes the calling thread's namespace; closer.h does it on a thread of its own.
 */
#pragma once

#include "base/vec.h"
#include "conns/sock_diag.h"
#include "conns/socket_owner.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct closer_job {
	uint32_t id; /* the caller's */
	uint8_t proto;
	struct sock_diag_target target;
};

struct closer_result {
	struct closer_job job;
	size_t closed;     /* sockets */
	size_t moved;      /* connected UDP sockets, to another backend */
	size_t errors;     /* system calls that failed */
	int error;         /* the first of these, -errno; 0: none */
	size_t namespaces; /* that were looked at */
	uint64_t took;     /* ns from closer_push() to the end */
};

struct closer_results {
	struct closer_result *items;
	size_t len;
	size_t cap;
};

struct close_walk {
	int sockets_fd;             /* of the map sw_sockets; borrowed */
	socket_storage_fn *storage; /* called on the thread of the walk */
	void *storage_arg;
	/* Sleeps until then; returns false if the walk is to end. */
	bool (*wait)(struct close_walk *walk, uint64_t until);
	/* private */
	int home;        /* the namespace that the thread comes back to */
	ino_t inside;    /* the one that it is in */
	uint64_t slice;  /* when it began */
	size_t in_slice; /* sockets closed in it */
};

/* The fields above have been filled. Returns 0 or -errno. */
int close_walk_init(struct close_walk *walk);
void close_walk_done(struct close_walk *walk);

/* Adds to the results. Returns to the namespace it came from: else it would keep another alive. */
void close_walk_run(struct close_walk *walk, struct closer_results *results);

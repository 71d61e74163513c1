/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closes the connections that a service has to one backend, in all network namespaces of this
 * node, on a thread of its own.
 *
 * Why a thread: a dump walks the kernel's whole table of sockets, once for each namespace, and to
 * close a socket the kernel waits for whoever is just using it. That takes milliseconds to
 * seconds, and the loop may not stop for it. Why not a child process: a network namespace belongs
 * to a thread, so nothing else of the daemon is touched when this one goes elsewhere, and there is
 * nothing to start, to reap, or to hand descriptors to.
 */
#pragma once

#include "conns/close_walk.h"

#include <stddef.h>
#include <stdint.h>

struct closer; /* opaque */
struct loop;

typedef void closer_done_fn(void *arg, const struct closer_result *result);

/* How to learn what the map sw_sockets has for a socket. */
struct closer_sockets {
	int fd;                     /* of the map; borrowed */
	socket_storage_fn *storage; /* called on the thread */
	void *arg;
};

/* Starts the thread. `fn` is called from the loop. Returns 0 or -errno. */
int closer_new(struct loop *loop, const struct closer_sockets *sockets, closer_done_fn *fn,
	       void *arg, struct closer **ret);

/* Ends the thread, which leaves undone what is not done; takes some ms. NULL is allowed. */
void closer_free(struct closer *closer);

/*
 * Jobs that come together are done together, and one that waits already is done once. Returns 0 or
 * -ENOMEM.
 */
int closer_push(struct closer *closer, const struct closer_job *job);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network namespace that clients live in, and what the worker does there: it looks for sockets, sends
 * packets, and opens connections.
 *
 * Belongs to one thread, which goes there and comes back within these functions.
 */
#pragma once

#include "conns/netns_walk.h"
#include "conns/sock_exists.h"

#include <ifaddrs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_netns {
	/* private; `id` and `walk` are the cache's */
	struct netns id; /* owns the descriptor */
	int home;        /* the thread's own namespace, borrowed */
	int diag;        /* sock_diag there; -1: it may not be entered */
	int raw4, raw6; /* raw sockets there, once they are needed; raw6 only where there is IPv6 */
	unsigned int references;
	uint64_t walk;
};

/*
 * Takes the descriptor of *id over. `home` is the caller's own namespace. *ret_addresses are its own, for
 * freeifaddrs(), NULL if there are none. One that may not be entered is none in which anything is found.
 * Returns 0 or -errno.
 */
int client_netns_open(struct netns *id, int home, struct client_netns **ret,
		      struct ifaddrs **ret_addresses);

/* NULL is allowed. All references are to be returned before. */
void client_netns_free(struct client_netns *netns);

/* Whether that very socket is there. */
bool client_netns_has(const struct client_netns *netns, const struct sock_name *socket);

/* Gets ready to send, and takes a reference. Returns 0 or -errno; then there is none. */
int client_netns_ref(struct client_netns *netns);

/* NULL is allowed. */
void client_netns_unref(struct client_netns *netns);

/* Sends a packet with its IP header. Returns 0 or -errno. */
int client_netns_send(const struct client_netns *netns, const struct addr *target,
		      const void *packet, size_t size);

/* Opens a non-blocking TCP socket there. Returns the descriptor or -errno. */
int client_netns_socket(const struct client_netns *netns, int family);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network namespaces that clients live in. A client's socket is found by its addresses and its
 * cookie, so nothing has to be known about its process: it may be in any PID namespace, and the
 * socket may have been passed on. Namespaces are remembered by the client's address, and let go soon
 * after their last use, so that none is kept alive.
 *
 * Belongs to one thread, which goes to other namespaces and comes back within these functions.
 */
#pragma once

#include "conns/sock_exists.h"

#include <stddef.h>
#include <stdint.h>

struct client_netns_cache; /* opaque */
struct client_netns;       /* opaque */

/* Returns 0 or -errno; -EPERM: CAP_SYS_ADMIN or CAP_NET_RAW is missing. */
int client_netns_cache_new(struct client_netns_cache **ret);

/* NULL is allowed. All references are to be returned before. */
void client_netns_cache_free(struct client_netns_cache *cache);

/*
 * Finds the namespace of a socket, and takes a reference. Quick when clients with that address were
 * looked for lately, else it looks through /proc. Returns 0; -ENOENT if there is no such socket;
 * -errno.
 */
int client_netns_find(struct client_netns_cache *cache, const struct sock_name *socket,
		      uint64_t now, struct client_netns **ret);
void client_netns_unref(struct client_netns *netns);

/* Closes what nobody has used for a while. */
void client_netns_expire(struct client_netns_cache *cache, uint64_t now);

/* Sends a packet with its IP header. Returns 0 or -errno. */
int client_netns_send(const struct client_netns *netns, const struct addr *target,
		      const void *packet, size_t size);

/* Opens a non-blocking TCP socket there. Returns the descriptor or -errno. */
int client_netns_socket(const struct client_netns *netns, int family);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where clients are. A client's socket is found by its addresses and its cookie, so nothing has to be
 * known about its process: it may be in any PID namespace, and the socket may have been passed on.
 *
 * All namespaces of the node's processes are known, with their addresses, by a walk through /proc that
 * begins anew every two seconds. So a client is mostly looked for in one of them. One that can not be
 * found, since its socket is gone, must not cost others their rescue: all other ways of looking are
 * limited, for each address and over all.
 *
 * Belongs to one thread.
 */
#pragma once

#include "rescue/client_netns.h"

struct client_netns_cache; /* opaque */

/* Returns 0 or -errno; -EPERM: CAP_SYS_ADMIN or CAP_NET_RAW is missing. */
int client_netns_cache_new(struct client_netns_cache **ret);

/* NULL is allowed. All references are to be returned before. */
void client_netns_cache_free(struct client_netns_cache *cache);

/*
 * Finds the namespace of a socket, and takes a reference. Returns 0; -ENOENT if there is no such socket,
 * or too many were looked for; -errno.
 */
int client_netns_find(struct client_netns_cache *cache, const struct sock_name *socket,
		      uint64_t now, struct client_netns **ret);

/*
 * Goes on with the walk, for about a millisecond; to be called every 100 ms. At its end namespaces that no
 * process is in are closed, so that none is kept alive. Returns whether a walk has ended.
 */
bool client_netns_cache_walk(struct client_netns_cache *cache, uint64_t now);

/* Of the walk that has ended: how many processes may not be looked into. */
size_t client_netns_cache_hidden(const struct client_netns_cache *cache);

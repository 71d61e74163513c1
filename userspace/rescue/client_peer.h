/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client's connection, and what the worker sends on it: to the client in the backend's name
 * (enum sw_order says what the kernel makes of it), to the backend in the client's.
 */
#pragma once

#include "rescue/client_netns_cache.h"
#include "swerve_rescue.h"

#include <stdbool.h>

struct client_peer {
	struct client_netns *netns; /* a reference; NULL: not found yet */
	struct sock_name socket;
};

struct client_peer client_peer_of(const struct sw_rescue *record);
struct client_peer client_peer_of_outstanding(uint64_t cookie,
					      const struct sw_outstanding *outstanding);

/* Finds the client's namespace. Returns 0 or -errno; client_peer_done() is due in any case. */
int client_peer_find(struct client_peer *peer, struct client_netns_cache *cache, uint64_t now);
void client_peer_done(struct client_peer *peer);

/* To the client: flags are those of tcp_segment.h. Returns 0; -ENOENT if it was not found; -errno. */
int client_peer_send(const struct client_peer *peer, enum sw_order order, uint8_t flags,
		     uint32_t seq, uint32_t ack, const void *data, size_t len);

/* To the backend: the connection is over. seq is the next that the client would have sent. */
int client_peer_reset_backend(const struct client_peer *peer, uint32_t seq);

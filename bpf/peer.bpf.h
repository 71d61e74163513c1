/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a socket asked for and what it got, in the socket's own storage: written by connect(), read
 * by getpeername(). An entry whose backend is not the socket's peer is stale (the socket was
 * disconnected and connected elsewhere) and counts for nothing.
 */
#pragma once

#include "choose.bpf.h"
#include "maps.bpf.h"
#include "swerve_abi.h"

#include <linux/in.h>

/* Address and port as one hook sees them. */
struct peer {
	struct sw_addr addr;
	__u16 port; /* host order */
	__u16 pad;
};

static __always_inline bool addr_is(const struct sw_addr *a, const struct sw_addr *b)
{
	const __u32 *x = (const __u32 *)a->bytes, *y = (const __u32 *)b->bytes;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

static __always_inline void peer_remember(struct bpf_sock *sk, const struct asker *asker,
					  const struct sw_frontend_key *asked,
					  const struct choice *got)
{
	struct sw_socket *socket;

	socket = bpf_sk_storage_get(&sw_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket)
		return;
	socket->frontend_addr = asked->addr;
	socket->frontend_port = asked->port;
	socket->backend_addr = got->addr;
	socket->backend_port = got->port;
	socket->backend = got->backend;
	socket->service = got->service;
	socket->generation = got->generation;
	socket->flags = asker->on_node * SW_SOCKET_ON_NODE;
	socket->answered = 0;
}

/*
 * The socket asks for something that it does not get a backend for. What a TCP socket had before is over.
 * A UDP socket keeps its peer if the call fails further on, and what is not the peer counts for nothing:
 * only where it goes to the backend itself, the frontend must not be told again.
 */
static __always_inline void peer_forget(struct bpf_sock *sk, const struct sw_frontend_key *asked)
{
	struct sw_socket *socket = bpf_sk_storage_get(&sw_sockets, sk, 0, 0);

	if (!socket)
		return;
	if (asked->proto == IPPROTO_UDP &&
	    !(socket->backend_port == asked->port && addr_is(&socket->backend_addr, &asked->addr)))
		return;
	bpf_sk_storage_delete(&sw_sockets, sk);
}

/* Replaces the backend in *peer by the frontend that the application asked for. */
static __always_inline bool peer_recall(struct bpf_sock *sk, struct peer *peer)
{
	struct sw_socket *socket = bpf_sk_storage_get(&sw_sockets, sk, 0, 0);

	if (!socket || socket->backend_port != peer->port ||
	    !addr_is(&socket->backend_addr, &peer->addr))
		return false;
	peer->addr = socket->frontend_addr;
	peer->port = socket->frontend_port;
	return true;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * UDP sockets that name their destination with each datagram. Which backend answers which frontend
 * is kept in the socket's own storage: it dies with the socket, and what others do never makes it
 * forget. Only a socket that talks to more than SW_UDP_FLOWS services needs more: what it used
 * longest ago moves to the LRU map sw_udp_reverse, where replies still find it.
 *
 * When two frontends of one socket lead to the same backend, its replies count for the one that was
 * used last: a datagram does not say what it answers.
 */
#pragma once

#include "choose.bpf.h"
#include "maps.bpf.h"
#include "peer.bpf.h"
#include "swerve_abi.h"

enum { UDP_CONNECTED = 1 /* TCP_ESTABLISHED */ };

/*
 * A UDP client that was refused or got no answer asks again at once, from another socket: resolvers
 * do. Nothing tells here that it was refused, so whoever comes next on this CPU for this service is
 * sent elsewhere. For others this is just another random choice. `is_udp` is 0 or 1; without branches, so
 * that the verifier need not follow TCP and UDP on their own from here on. Returns false never: a map
 * of one element has it, which older verifiers do not know.
 */
static __always_inline bool udp_tried(struct asker *asker, __u64 is_udp)
{
	struct sw_udp_last *last;
	__u32 zero = 0;

	last = bpf_map_lookup_elem(&sw_udp_last, &zero);
	if (!last)
		return false;
	asker->tried = last->backend & -is_udp;
	asker->tried_service = last->service & -is_udp;
	return true;
}

static __always_inline void udp_given(const struct asker *asker, const struct choice *choice)
{
	struct sw_udp_last *last;
	__u32 zero = 0;

	if (choice->backend == asker->backend)
		return;
	last = bpf_map_lookup_elem(&sw_udp_last, &zero);
	if (!last)
		return;
	last->backend = choice->backend;
	last->service = choice->service;
}

static __always_inline bool flow_is_to(const struct sw_udp_flow *flow, const struct sw_addr *addr,
				       __u16 port)
{
	return flow->backend && flow->backend_port == port && addr_is(&flow->backend_addr, addr);
}

static __always_inline bool flow_asks_for(const struct sw_udp_flow *flow,
					  const struct sw_frontend_key *key)
{
	return flow->backend && flow->frontend_port == key->port &&
	       addr_is(&flow->frontend_addr, &key->addr);
}

static __always_inline void reverse_key(struct bpf_sock_addr *ctx, const struct sw_addr *addr,
					__u16 port, struct sw_udp_reverse_key *ret)
{
	ret->cookie = bpf_get_socket_cookie(ctx);
	ret->addr = *addr;
	ret->port = port;
	ret->pad = 0;
	ret->pad2 = 0;
}

/*
 * Which of the socket's flows leads to an address: the one that was used last. NULL if none does.
 */
static __always_inline const struct sw_udp_flow *udp_flow_to(const struct sw_udp_flows *udp,
							     const struct sw_addr *addr, __u16 port)
{
	const struct sw_udp_flow *found = 0;
	__u32 age = ~0U;

	for (int i = 0; i < SW_UDP_FLOWS; i++) {
		const struct sw_udp_flow *flow = &udp->flows[i];

		if (!flow_is_to(flow, addr, port) || udp->sequence - flow->used > age)
			continue;
		age = udp->sequence - flow->used;
		found = flow;
	}
	return found;
}

/* The backend that the socket has for a frontend: that of connect(), or that of its last datagram. */
static __always_inline void udp_has(struct bpf_sock *sk, const struct sw_frontend_key *key,
				    struct asker *ret)
{
	struct sw_udp_flows *udp;
	struct sw_socket *socket;

	/* The kernel takes replies to a connected socket from its peer only. */
	socket = sk->state == UDP_CONNECTED ? bpf_sk_storage_get(&sw_sockets, sk, 0, 0) : 0;
	if (socket && socket->frontend_port == key->port &&
	    addr_is(&socket->frontend_addr, &key->addr)) {
		ret->backend = socket->backend;
		ret->generation = socket->generation;
		return;
	}
	udp = bpf_sk_storage_get(&sw_udp_flows, sk, 0, 0);
	if (!udp)
		return;
	for (int i = 0; i < SW_UDP_FLOWS; i++) {
		const struct sw_udp_flow *flow = &udp->flows[i];

		if (!flow_asks_for(flow, key))
			continue;
		ret->backend = flow->backend;
		ret->generation = flow->generation;
		return;
	}
}

/* The flow to a frontend, else a free one, else the one that was used longest ago. */
static __always_inline __u32 udp_place(const struct sw_udp_flows *udp,
				       const struct sw_frontend_key *key)
{
	__u32 place = 0, most = 0;

	for (__u32 i = 0; i < SW_UDP_FLOWS; i++) {
		const struct sw_udp_flow *flow = &udp->flows[i];
		__u32 age = flow->backend ? udp->sequence - flow->used : ~1U;

		if (flow_asks_for(flow, key))
			age = ~0U;
		if (age > most) {
			most = age;
			place = i;
		}
	}
	return place;
}

/* The flow ends, or goes to another backend: late replies are still to be recognised. */
static __always_inline void udp_spill(struct bpf_sock_addr *ctx, struct sw_udp_flows *udp,
				      const struct sw_udp_flow *flow)
{
	struct sw_udp_reverse value = {.addr = flow->frontend_addr, .port = flow->frontend_port};
	struct sw_udp_reverse_key key;

	reverse_key(ctx, &flow->backend_addr, flow->backend_port, &key);
	bpf_map_update_elem(&sw_udp_reverse, &key, &value, BPF_ANY);
	udp->flags |= SW_UDP_SPILLED;
}

static __always_inline void udp_remember(struct bpf_sock_addr *ctx, const struct asker *asker,
					 const struct sw_frontend_key *asked,
					 const struct choice *got)
{
	struct sw_udp_flows *udp;
	struct sw_udp_flow *flow;
	__u32 place;

	udp_given(asker, got);
	udp = bpf_sk_storage_get(&sw_udp_flows, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!udp)
		return;
	place = udp_place(udp, asked);
	barrier_var(place); /* else clang drops the next line's bound, which the verifier needs */
	flow = &udp->flows[place % SW_UDP_FLOWS];
	if (flow->backend &&
	    !(flow_asks_for(flow, asked) && flow_is_to(flow, &got->addr, got->port)))
		udp_spill(ctx, udp, flow);
	flow->frontend_addr = asked->addr;
	flow->frontend_port = asked->port;
	flow->backend_addr = got->addr;
	flow->backend_port = got->port;
	flow->backend = got->backend;
	flow->generation = got->generation;
	flow->used = ++udp->sequence;
	udp->flags |= asker->on_node * SW_UDP_ON_NODE;
}

/*
 * The socket sends to an address or connects to it: what comes from there from now on is that
 * address's own, whichever frontends have led there before.
 */
static __always_inline void udp_forget(struct bpf_sock_addr *ctx, const struct sw_addr *addr,
				       __u16 port)
{
	struct sw_udp_flows *udp = bpf_sk_storage_get(&sw_udp_flows, ctx->sk, 0, 0);
	struct sw_udp_reverse_key key;

	if (!udp)
		return;
	for (int i = 0; i < SW_UDP_FLOWS; i++) {
		if (flow_is_to(&udp->flows[i], addr, port))
			udp->flows[i].backend = 0;
	}
	if (!(udp->flags & SW_UDP_SPILLED))
		return;
	reverse_key(ctx, addr, port, &key);
	bpf_map_delete_elem(&sw_udp_reverse, &key);
}

/* The socket is connected to a backend, or, without one, to what it asked for. */
static __always_inline void udp_connected(struct bpf_sock_addr *ctx, const struct asker *asker,
					  const struct sw_frontend_key *asked,
					  const struct choice *got)
{
	if (!got) {
		udp_forget(ctx, &asked->addr, asked->port);
		return;
	}
	udp_given(asker, got);
	udp_forget(ctx, &got->addr, got->port);
}

static __always_inline bool udp_recall_spilled(struct bpf_sock_addr *ctx, struct peer *peer)
{
	struct sw_udp_reverse_key key;
	struct sw_udp_reverse *value;

	reverse_key(ctx, &peer->addr, peer->port, &key);
	value = bpf_map_lookup_elem(&sw_udp_reverse, &key);
	if (!value)
		return false;
	peer->addr = value->addr;
	peer->port = value->port;
	return true;
}

/* Replaces the backend that a datagram came from by the frontend that the socket sent to. */
static __always_inline bool udp_recall(struct bpf_sock_addr *ctx, struct peer *peer)
{
	struct sw_udp_flows *udp = bpf_sk_storage_get(&sw_udp_flows, ctx->sk, 0, 0);
	const struct sw_udp_flow *found = udp ? udp_flow_to(udp, &peer->addr, peer->port) : 0;

	if (found) {
		peer->addr = found->frontend_addr;
		peer->port = found->frontend_port;
		return true;
	}
	if (udp && udp->flags & SW_UDP_SPILLED && udp_recall_spilled(ctx, peer))
		return true;
	return ctx->sk->state == UDP_CONNECTED && peer_recall(ctx->sk, peer);
}

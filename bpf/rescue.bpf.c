/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hooks of rescue: they see the packets of every socket in the cgroup, and look closer only at
 * those of services that opted in. Attached only while there is such a service.
 */
#include "rescue_received.bpf.h"
#include "rescue_sent.bpf.h"

#include <asm/socket.h>
#include <linux/tcp.h>

/* linux/in.h has no SOL_TCP, and the C library's headers do not go together with it. */
enum { SOL_TCP = 6, KEEP_ALIVE_SECONDS = 5 };

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline struct bpf_sock *tcp_socket(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return NULL;
	sk = bpf_sk_fullsock(sk);
	return sk && sk->protocol == IPPROTO_TCP ? sk : NULL;
}

/*
 * While the connection is another backend's, or may be in a moment, whatever becomes of its own: swerved
 * must not close it.
 */
static __always_inline bool is_taken(const struct request *request)
{
	__u32 turn = request->turn;

	if (turn == TURN_REQUEST || turn == TURN_CAPTURING)
		return request->is_reported;
	return turn >= TURN_DEFERRED && turn <= TURN_ANSWERED;
}

static __always_inline void mark_taken(struct bpf_sock *sk, struct request *request)
{
	bool taken = is_taken(request);
	struct sw_socket *socket;

	if (taken == !!request->is_taken)
		return;
	request->is_taken = taken;
	socket = bpf_sk_storage_get(&sw_sockets, sk, 0, 0);
	if (!socket)
		return;
	if (taken)
		socket->flags |= SW_SOCKET_TAKEN;
	else
		socket->flags &= ~SW_SOCKET_TAKEN;
}

SEC("cgroup_skb/egress")
int rescue_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = tcp_socket(skb);
	struct packet packet = {};
	struct request *request;

	if (!sk)
		return PACKET_PASS;
	if (sk->state == BPF_TCP_SYN_SENT) {
		if (packet_read(skb, &packet) && packet.flags & TCP_SYN)
			sent_syn(skb, sk, &packet);
		return PACKET_PASS;
	}
	request = bpf_sk_storage_get(&sw_requests, sk, 0, 0);
	if (request && packet_read(skb, &packet)) {
		sent(skb, request, &packet);
		mark_taken(sk, request);
	}
	return PACKET_PASS;
}

/*
 * A RST that was held back does not come again by itself, should the worker die: both ends wait then
 * for the other to speak. So the client's kernel is made to ask for a sign of life now and then. An
 * application that asks by itself has its way, be it from now on or already; Linux before 6.1 does not
 * tell the latter.
 */
SEC("sockops")
int rescue_established(struct bpf_sock_ops *ctx)
{
	int on = 1, is_on = 0, seconds = KEEP_ALIVE_SECONDS;
	struct bpf_sock *sk;

	if (ctx->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		return 1;
	sk = ctx->sk;
	if (!sk || !bpf_sk_storage_get(&sw_requests, sk, 0, 0))
		return 1;
	if (!bpf_getsockopt(ctx, SOL_SOCKET, SO_KEEPALIVE, &is_on, sizeof(is_on)) && is_on)
		return 1;
	bpf_setsockopt(ctx, SOL_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	bpf_setsockopt(ctx, SOL_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
	bpf_setsockopt(ctx, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	return 1;
}

SEC("cgroup_skb/ingress")
int rescue_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = tcp_socket(skb);
	struct packet packet = {};
	struct request *request;
	int verdict;

	if (!sk)
		return PACKET_PASS;
	request = bpf_sk_storage_get(&sw_requests, sk, 0, 0);
	if (!request || !packet_read(skb, &packet))
		return PACKET_PASS;
	if (is_order(skb, &packet))
		verdict = ordered(skb, sk, request, &packet);
	else
		verdict = received(skb, sk, request, &packet);
	mark_taken(sk, request);
	return verdict;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hooks that watch connections which connect() rewrote (sock_lb.bpf.c): `sockops` sees how they
 * begin and end, `cgroup_skb/ingress` the first packet of each response. All other sockets leave
 * after one look-up of their storage. Packets are looked at, never dropped or changed.
 */
#include "sense.bpf.h"
#include "config.bpf.h"
#include "sense_http.bpf.h"
#include "sense_sock.bpf.h"
#include "swerve_rescue.h"

#include <linux/in.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum { HOOK_PASS = 1 };

/* connect() called: the socket has no address yet, and nothing was sent. */
static __always_inline void on_connect(struct bpf_sock_ops *ctx, struct sw_socket *socket)
{
	__u32 index = socket->service;
	struct sw_service *service = bpf_map_lookup_elem(&sw_services, &index);
	int timeout;

	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG |
					       BPF_SOCK_OPS_RTO_CB_FLAG);
	sense_open(socket);
	if (!service)
		return;
	if (service->policy.outlier_5xx)
		socket->flags |= SW_SOCKET_HTTP;
	timeout = service->policy.connect_timeout;
	if (timeout)
		bpf_setsockopt(ctx, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

/* In jiffies, for the first SYN; -1: as the system has it. */
static __always_inline int syn_timeout(const struct sw_socket *socket)
{
	__u32 index = socket->service, timeout;
	struct sw_service *service = bpf_map_lookup_elem(&sw_services, &index);

	if (!service || !service->policy.connect_timeout)
		return -1;
	/* Four tries before connect() gives up. */
	timeout = service->policy.connect_timeout * load_config.jiffies_per_second / 4000;
	return timeout ? timeout : 1;
}

static __always_inline void on_established(struct bpf_sock_ops *ctx, const struct sw_socket *socket)
{
	__u32 index = socket->service;
	struct sw_service *service = bpf_map_lookup_elem(&sw_services, &index);
	int timeout;

	/* A refused connection that rescue accepted in the backend's name is none of its successes. */
	if (!(socket->flags & SW_SOCKET_FAILED))
		sense_success(socket, SENSE_CONNECTED);
	if (!service || !(service->policy.connect_timeout || service->policy.user_timeout))
		return;
	timeout = service->policy.user_timeout;
	bpf_setsockopt(ctx, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

/* What a retransmission time-out shows. */
static __always_inline __u32 on_timeout(const struct bpf_sock_ops *ctx)
{
	if (ctx->state == BPF_TCP_SYN_SENT)
		return SW_EVIDENCE_TIMEOUT;
	/* args[0] counts those before: one alone is a lost packet. */
	return ctx->args[0] == 1 ? SW_EVIDENCE_SILENT : SW_EVIDENCE_NONE;
}

/*
 * Whether something was sent since the last response, on a connection that speaks HTTP. Not while some of it
 * is still to be sent: then it is the rest of a request that was answered, and rejected, before its end.
 */
static __always_inline bool is_request_open(const struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					    const struct sw_socket *socket)
{
	return socket->flags & SW_SOCKET_HTTP && socket->flags & SW_SOCKET_SPOKEN &&
	       ctx->data_segs_out != socket->answered && sense_sock_is_sent(sk);
}

/*
 * The peer ended a connection that had sent a request and received nothing of a response. By a reset also on
 * one that was used before; an orderly end may come there since it was idle for too long, just when the
 * next request was sent. And such an end is a failure only where an answer was due: who takes in logs
 * or metrics never says a word.
 */
static __always_inline __u32 on_peer_closed(const struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					    const struct sw_socket *socket)
{
	bool failed = false;

	if (!ctx->data_segs_out)
		return SW_EVIDENCE_NONE;
	if (ctx->args[1] == BPF_TCP_CLOSE)
		failed = sense_sock_error(sk) == SENSE_ECONNRESET &&
			 (!ctx->data_segs_in || is_request_open(ctx, sk, socket));
	else if (!ctx->data_segs_in)
		failed = socket->flags & SW_SOCKET_HTTP && sense_speaks_http(socket->service);
	return failed ? SW_EVIDENCE_CLOSED : SW_EVIDENCE_NONE;
}

/* What a change of the TCP state shows. An application that gives up leaves no error. */
static __always_inline __u32 on_state(const struct bpf_sock_ops *ctx, struct bpf_sock *sk,
				      const struct sw_socket *socket)
{
	__u32 before = ctx->args[0], after = ctx->args[1];

	if (before == BPF_TCP_SYN_SENT && after == BPF_TCP_CLOSE)
		return sense_connect_evidence(sense_sock_error(sk));
	if (before == BPF_TCP_ESTABLISHED &&
	    (after == BPF_TCP_CLOSE || after == BPF_TCP_CLOSE_WAIT))
		return on_peer_closed(ctx, sk, socket);
	return SW_EVIDENCE_NONE;
}

static __always_inline void on_closed(const struct bpf_sock_ops *ctx, struct sw_socket *socket)
{
	if (ctx->data_segs_in && !(socket->flags & (SW_SOCKET_HTTP | SW_SOCKET_SPOKEN)))
		sense_success(socket, SENSE_ENDED);
	sense_close(socket);
}

/* Each connection shows one failure at most. */
static __always_inline void blame(struct sw_socket *socket, __u32 evidence)
{
	if (evidence == SW_EVIDENCE_NONE)
		return;
	if (evidence == SW_EVIDENCE_SILENT) {
		sense_doubt(socket, evidence);
		return;
	}
	if (socket->flags & SW_SOCKET_FAILED)
		return;
	socket->flags |= SW_SOCKET_FAILED;
	sense_failure(socket, evidence, 0);
}

SEC("sockops")
int sense_sockops(struct bpf_sock_ops *ctx)
{
	__u32 evidence = SW_EVIDENCE_NONE;
	struct sw_socket *socket;
	struct bpf_sock *sk;

	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
	case BPF_SOCK_OPS_TIMEOUT_INIT:
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_RTO_CB:
	case BPF_SOCK_OPS_STATE_CB:
		break;
	default:
		return HOOK_PASS;
	}
	sk = ctx->sk;
	if (!sk)
		return HOOK_PASS;
	socket = bpf_sk_storage_get(&sw_sockets, sk, 0, 0);
	if (!socket)
		return HOOK_PASS;
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		on_connect(ctx, socket);
		break;
	case BPF_SOCK_OPS_TIMEOUT_INIT:
		ctx->reply = syn_timeout(socket);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		on_established(ctx, socket);
		break;
	case BPF_SOCK_OPS_RTO_CB:
		evidence = on_timeout(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		evidence = on_state(ctx, sk, socket);
		break;
	}
	blame(socket, evidence);
	if (ctx->op == BPF_SOCK_OPS_STATE_CB && ctx->args[1] == BPF_TCP_CLOSE)
		on_closed(ctx, socket);
	return HOOK_PASS;
}

/* Offset of the TCP header; 0: not TCP, or behind IPv6 extension headers. */
static __always_inline __u32 tcp_offset(struct __sk_buff *skb)
{
	__u8 first, next;

	if (bpf_skb_load_bytes(skb, 0, &first, sizeof(first)))
		return 0;
	if (first >> 4 == 4)
		return (first & 0xf) * 4;
	if (bpf_skb_load_bytes(skb, 6, &next, sizeof(next)) || next != IPPROTO_TCP)
		return 0;
	return 40;
}

/* What rescue answers in the backend's name says nothing of the backend. */
static __always_inline bool is_of_rescue(const struct __sk_buff *skb, const struct tcphdr *header)
{
	__u16 order = bpf_ntohs(header->urg_ptr);

	return order >= SW_ORDER_ANSWER && order <= SW_ORDER_REPORT && !header->urg &&
	       skb->ifindex == SW_ORDER_IFINDEX;
}

/*
 * What does not begin as HTTP/1 does is a sign of life, and no answer of which anything is known. Behind
 * a response it is more of that one, as when a client still uploads what was rejected, and says nothing new.
 */
static __always_inline void on_other_data(const struct bpf_tcp_sock *tcp,
					  const struct sw_socket *socket)
{
	if (socket->flags & SW_SOCKET_SPOKEN)
		return;
	if (!tcp->data_segs_in)
		sense_learn(socket->service, 0);
	sense_success(socket, SENSE_ENDED);
}

/*
 * Looks at a packet that may be the first of a response. It is the next one that TCP expects: no
 * retransmission, and nothing is missing before it.
 */
static __always_inline void on_response(struct __sk_buff *skb, const struct bpf_tcp_sock *tcp,
					struct sw_socket *socket)
{
	__u32 offset = tcp_offset(skb), start, status, sent = tcp->data_segs_out;
	__u8 line[SENSE_STATUS_LINE];
	struct tcphdr header;

	if (!offset || bpf_skb_load_bytes(skb, offset, &header, sizeof(header)))
		return;
	start = offset + header.doff * 4;
	if (skb->len <= start || bpf_ntohl(header.seq) != tcp->rcv_nxt ||
	    is_of_rescue(skb, &header))
		return;
	/* A part of a status line does not tell the status: the response counts for nothing. */
	if (bpf_skb_load_bytes(skb, start, line, sizeof(line)) &&
	    (bpf_skb_load_bytes(skb, start, line, 1) || line[0] == 'H')) {
		socket->answered = sent;
		return;
	}
	status = sense_http_status(line);
	if (sense_status_is_interim(status))
		return;
	socket->answered = sent;
	if (status == SENSE_STATUS_NONE) {
		on_other_data(tcp, socket);
		return;
	}
	if (!(socket->flags & SW_SOCKET_SPOKEN)) {
		socket->flags |= SW_SOCKET_SPOKEN;
		sense_learn(socket->service, 1);
	}
	if (sense_status_is_failure(status)) {
		socket->flags |= SW_SOCKET_BAD;
		sense_failure(socket, SW_EVIDENCE_STATUS, status);
	} else {
		socket->flags &= ~SW_SOCKET_BAD;
		sense_success(socket, SENSE_ANSWERED);
	}
	if (status == SENSE_STATUS_SWITCHING)
		socket->flags &= ~SW_SOCKET_HTTP;
}

/*
 * A response begins with the first packet after the application has sent something. What can be
 * fooled: a client that sends the next request before it has read all of the last response
 * (pipelining), when a packet of that one's body begins like a status line.
 */
SEC("cgroup_skb/ingress")
int sense_ingress(struct __sk_buff *skb)
{
	struct bpf_tcp_sock *tcp;
	struct sw_socket *socket;
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return HOOK_PASS;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return HOOK_PASS;
	socket = bpf_sk_storage_get(&sw_sockets, sk, 0, 0);
	if (!socket || !(socket->flags & SW_SOCKET_HTTP))
		return HOOK_PASS;
	tcp = bpf_tcp_sock(sk);
	if (tcp && tcp->data_segs_out != socket->answered)
		on_response(skb, tcp, socket);
	return HOOK_PASS;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What comes from the backend, before TCP sees it: failures are held back. What comes from the
 * worker in the backend's name is let through as the state of the connection allows.
 */
#pragma once

#include "rescue_turn.bpf.h"
#include "sense.bpf.h"

/* The status of the response that a payload begins with; 0 if it is no HTTP/1. */
static __always_inline __u32 http_status(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 line[12]; /* HTTP/1.x sss */

	if (packet->len < sizeof(line) ||
	    bpf_skb_load_bytes(skb, packet->offset, line, sizeof(line)))
		return 0;
	if (line[0] != 'H' || line[1] != 'T' || line[2] != 'T' || line[3] != 'P' ||
	    line[4] != '/' || line[5] != '1' || line[6] != '.' || line[8] != ' ')
		return 0;
	return (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
}

/* Another pod may do better: not with 501, 505 and the like, which say that the request is wrong. */
static __always_inline bool is_retryable(__u32 status)
{
	return status == 500 || status == 502 || status == 503 || status == 504;
}

/* Keeps the payload behind the request, if there is room. Returns how much was kept. */
static __always_inline __u32 keep_response(struct __sk_buff *skb, struct request *request,
					   const struct packet *packet)
{
	__u64 used = request->rescue.request_len;

	barrier_var(used);
	if (used > SW_REQUEST_MAX ||
	    !packet_copy(skb, packet->offset, request->bytes + used, packet->len, SW_RESPONSE_MAX))
		return 0;
	return packet->len;
}

/*
 * On a connection that is used again and again its end matters while it is idle: the next request
 * may be on its way already. Whether it is idle the worker tells from the response's first and last
 * bytes and its length; they take the place of the request, which is done with.
 */
static __always_inline void note_first(struct __sk_buff *skb, struct request *request,
				       const struct packet *packet)
{
	__u64 len = packet->len;

	request->rescue.request_len = 0;
	request->rescue.response_len = 0;
	request->rescue.received = 0;
	if (request->rescue.turns < 2)
		return;
	if (len > SW_IDLE_MAX)
		len = SW_IDLE_MAX;
	if (!packet_copy(skb, packet->offset, request->bytes, len, SW_IDLE_MAX))
		return;
	request->rescue.response_len = len;
}

static __always_inline void note_last(struct __sk_buff *skb, struct request *request,
				      const struct packet *packet)
{
	__u32 end = packet->seq + packet->len - request->rescue.seq;

	if (request->rescue.turns < 2 || packet->len < sizeof(request->rescue.tail) ||
	    (__s32)(end - request->rescue.received) <= 0)
		return;
	request->rescue.received = end;
	bpf_skb_load_bytes(skb, skb->len - sizeof(request->rescue.tail), request->rescue.tail,
			   sizeof(request->rescue.tail));
}

/* The response has begun, or goes on. */
static __always_inline int received_more(struct __sk_buff *skb, struct request *request,
					 const struct packet *packet)
{
	__u32 kept = request->rescue.response_len;

	if (packet->len) {
		note_last(skb, request, packet);
		return PACKET_PASS;
	}
	if (!(packet->flags & (TCP_FIN | TCP_RST)) || !kept ||
	    packet->seq - request->rescue.seq != request->rescue.received ||
	    !is_retried_on(request, SW_FAILURE_RESET))
		return PACKET_PASS;
	request->rescue.failure = SW_FAILURE_RESET;
	request->rescue.tcp_flags = packet->flags;
	if (!turn_move(request, TURN_RESPONSE, TURN_DEFERRED))
		return PACKET_PASS;
	if (report(request, SW_RESCUE_IDLE, kept))
		return PACKET_DROP;
	request->turn = TURN_RESPONSE;
	return PACKET_PASS;
}

/*
 * What is held back never becomes an error of the socket, which is what sense.bpf.c goes by. An
 * orderly end counts only where responses are looked at, as there.
 */
static __always_inline void blame(struct bpf_sock *sk, const struct packet *packet, __u32 evidence)
{
	struct sw_socket *socket = bpf_sk_storage_get(&sw_sockets, sk, 0, 0);

	if (!socket || socket->flags & SW_SOCKET_FAILED)
		return;
	if (!(packet->flags & TCP_RST) && !(socket->flags & SW_SOCKET_HTTP))
		return;
	socket->flags |= SW_SOCKET_FAILED;
	sense_failure(socket, evidence, 0);
}

/* Takes the request over to the worker. Returns the verdict on the packet that failed it. */
static __always_inline int hold(struct __sk_buff *skb, struct bpf_sock *sk, struct request *request,
				const struct packet *packet, __u8 failure)
{
	request->rescue.failure = failure;
	request->rescue.tcp_flags = packet->flags;
	outstanding_remove(request);
	if (!is_retried_on(request, failure) || !may_replay(request) ||
	    !turn_move(request, TURN_REQUEST, TURN_HELD)) {
		turn_move(request, TURN_REQUEST, TURN_RESPONSE);
		return PACKET_PASS;
	}
	if (failure == SW_FAILURE_RESET)
		blame(sk, packet, SW_EVIDENCE_CLOSED);
	if (report(request, SW_RESCUE_REQUEST, keep_response(skb, request, packet)))
		return PACKET_DROP;
	request->turn = TURN_RESPONSE;
	return PACKET_PASS;
}

static __always_inline int received_response(struct __sk_buff *skb, struct bpf_sock *sk,
					     struct request *request, const struct packet *packet)
{
	__s32 ahead = packet->seq - request->rescue.seq;
	__u32 status;

	if (ahead < 0)
		return PACKET_PASS;
	if (!ahead && packet->len) {
		status = http_status(skb, packet);
		if (is_retryable(status))
			return hold(skb, sk, request, packet, SW_FAILURE_STATUS);
		outstanding_remove(request);
		if (!turn_move(request, TURN_REQUEST, status ? TURN_RESPONSE : TURN_IGNORED))
			return PACKET_PASS;
		note_first(skb, request, packet);
		note_last(skb, request, packet);
		return PACKET_PASS;
	}
	if (!ahead && packet->flags & (TCP_FIN | TCP_RST))
		return hold(skb, sk, request, packet, SW_FAILURE_RESET);
	if (packet->len || packet->flags & TCP_FIN) {
		outstanding_remove(request);
		turn_move(request, TURN_REQUEST, TURN_SKIPPED);
	}
	return PACKET_PASS;
}

static __always_inline int received_connecting(struct bpf_sock *sk, struct request *request,
					       const struct packet *packet)
{
	outstanding_remove(request);
	if (!(packet->flags & TCP_RST)) {
		turn_move(request, TURN_CONNECTING, TURN_FRESH);
		return PACKET_PASS;
	}
	request->rescue.failure = SW_FAILURE_REFUSED;
	request->rescue.tcp_flags = packet->flags;
	if (!is_retried_on(request, SW_FAILURE_REFUSED) ||
	    !turn_move(request, TURN_CONNECTING, TURN_DEFERRED))
		return PACKET_PASS;
	/* First, since the worker may be quicker than we are to make it look like a success. */
	blame(sk, packet, SW_EVIDENCE_REFUSED);
	if (report(request, SW_RESCUE_CONNECT, 0))
		return PACKET_DROP;
	request->turn = TURN_IGNORED;
	return PACKET_PASS;
}

/* The pod ended between handshake and request: there is nothing to replay yet. */
static __always_inline int received_fresh(struct request *request, const struct packet *packet)
{
	if (!(packet->flags & (TCP_FIN | TCP_RST)) || packet->len)
		return PACKET_PASS;
	if (bpf_ktime_get_ns() - request->rescue.since > FRESH_TIME ||
	    !is_retried_on(request, SW_FAILURE_RESET))
		return PACKET_PASS;
	request->rescue.failure = SW_FAILURE_RESET;
	request->rescue.tcp_flags = packet->flags;
	return turn_move(request, TURN_FRESH, TURN_DEFERRED) ? PACKET_DROP : PACKET_PASS;
}

/* Acknowledgements do no harm; a client that still sends its request needs them. */
static __always_inline int received_held(struct request *request, const struct packet *packet)
{
	if (!packet->len && !(packet->flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return PACKET_PASS;
	if (lease_is_fresh())
		return PACKET_DROP;
	request->turn = TURN_IGNORED;
	return PACKET_PASS;
}

/*
 * The client has acknowledged what this backend never sent. Once the application has closed the
 * socket, its RST is the end that both sides wait for.
 */
static __always_inline int received_answered(const struct bpf_sock *sk)
{
	return sk->state == BPF_TCP_ESTABLISHED || sk->state == BPF_TCP_CLOSE_WAIT ? PACKET_DROP
										   : PACKET_PASS;
}

static __always_inline int received(struct __sk_buff *skb, struct bpf_sock *sk,
				    struct request *request, const struct packet *packet)
{
	switch (request->turn) {
	case TURN_CONNECTING:
		return received_connecting(sk, request, packet);
	case TURN_FRESH:
		return received_fresh(request, packet);
	case TURN_REQUEST:
		return received_response(skb, sk, request, packet);
	case TURN_SKIPPED:
		if (packet->len)
			turn_move(request, TURN_SKIPPED, TURN_RESPONSE);
		return PACKET_PASS;
	case TURN_RESPONSE:
		return received_more(skb, request, packet);
	case TURN_DEFERRED:
	case TURN_HELD:
		return received_held(request, packet);
	case TURN_ANSWERED:
		return received_answered(sk);
	default:
		return PACKET_PASS;
	}
}

static __always_inline int ordered_answer(struct request *request, const struct packet *packet)
{
	/* Nothing has failed visibly: what the backend sends itself from now on comes too late. */
	if (turn_move(request, TURN_REQUEST, TURN_HELD))
		outstanding_remove(request);
	if (request->turn == TURN_DEFERRED && packet->flags & TCP_SYN) {
		/* The worker's SYN-ACK offers no window scale, so there is none. */
		request->window_shift = 0;
		return PACKET_PASS;
	}
	if (request->turn != TURN_HELD && request->turn != TURN_ANSWERED)
		return PACKET_DROP;
	if (packet->flags & TCP_FIN)
		turn_move(request, TURN_HELD, TURN_ANSWERED);
	if (packet->flags & TCP_RST)
		request->turn = TURN_IGNORED;
	return PACKET_PASS;
}

static __always_inline int ordered_release(struct request *request, const struct packet *packet)
{
	if (!turn_move(request, TURN_HELD, TURN_RESPONSE) &&
	    !turn_move(request, TURN_DEFERRED, TURN_IGNORED))
		return PACKET_DROP;
	return packet->len || packet->flags & (TCP_FIN | TCP_RST) ? PACKET_PASS : PACKET_DROP;
}

static __always_inline int ordered_end(struct request *request)
{
	return turn_move(request, TURN_DEFERRED, TURN_IGNORED) ? PACKET_PASS : PACKET_DROP;
}

static __always_inline int ordered_report(struct request *request)
{
	request->rescue.tcp_flags = 0;
	if (request->turn == TURN_REQUEST) {
		request->rescue.failure = SW_FAILURE_TIMEOUT;
		if (may_replay(request))
			report(request, SW_RESCUE_REQUEST, 0);
	} else if (turn_move(request, TURN_CONNECTING, TURN_DEFERRED)) {
		/* No SYN-ACK: nothing of a request was sent. */
		request->rescue.failure = SW_FAILURE_REFUSED;
		if (!report(request, SW_RESCUE_CONNECT, 0))
			request->turn = TURN_IGNORED;
	}
	return PACKET_DROP;
}

static __always_inline bool is_order(const struct __sk_buff *skb, const struct packet *packet)
{
	return packet->urgent >= SW_ORDER_ANSWER && packet->urgent <= SW_ORDER_REPORT &&
	       !(packet->flags & TCP_URG) && skb->ifindex == LOOPBACK_IFINDEX;
}

static __always_inline int ordered(struct request *request, const struct packet *packet)
{
	switch (packet->urgent) {
	case SW_ORDER_ANSWER:
		return ordered_answer(request, packet);
	case SW_ORDER_RELEASE:
		return ordered_release(request, packet);
	case SW_ORDER_END:
		return ordered_end(request);
	default:
		return ordered_report(request);
	}
}

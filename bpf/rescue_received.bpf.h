/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What comes from the backend, before TCP sees it: failures are held back. What comes from the
 * worker in the backend's name is let through as the state of the connection allows.
 */
#pragma once

#include "rescue_exchange.bpf.h"
#include "rescue_turn.bpf.h"
#include "sense.bpf.h"

/* Where a message says whether the connection stays open is looked for in so many of its bytes. */
enum { LOOK_MAX = 256 };

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

/* Eight characters as a number, as they look in a register that they were shifted into. */
#define WORD(a, b, c, d, e, f, g, h)                                                 \
	((__u64)(a) << 56 | (__u64)(b) << 48 | (__u64)(c) << 40 | (__u64)(d) << 32 | \
	 (__u64)(e) << 24 | (__u64)(f) << 16 | (__u64)(g) << 8 | (__u64)(h))

/*
 * 1 if a word is another, else 0. Without a branch, or the verifier would go on from each of them; and it learns
 * nothing of the word itself, or it would follow it through all of a loop.
 */
static __always_inline __u64 word_is(__u64 word, __u64 other)
{
	word ^= other;
	barrier_var(word);
	return ~(word | -word) >> 63;
}

/*
 * Whether a message leaves the connection open, by a look for what says otherwise ("HTTP/1.0",
 * "Connection: close" as it is mostly written): what the worker need not even be asked about.
 */
static __noinline bool may_stay_open(const struct request *request, bool is_response)
{
	__u64 from = 0, len = request->rescue.request_len, word = 0, closes = 0, stays = 0;
	__u64 is_old = 0;

	if (is_response) {
		from = LAST_RESPONSE_AT;
		len = request->rescue.last_response_len;
	}
	for (__u64 i = 0; i < LOOK_MAX; i++) {
		if (i >= len || closes | stays)
			break;
		word = word << 8 | (__u8)(request->bytes[from + i] | 0x20); /* to lower case */
		closes = word_is(word, WORD('n', ':', ' ', 'c', 'l', 'o', 's', 'e'));
		stays = word_is(word, WORD('n', ':', ' ', 'k', 'e', 'e', 'p', '-'));
		is_old |= word_is(word, WORD('h', 't', 't', 'p', '/', '1', '.', '0'));
	}
	return stays || !(closes | is_old);
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

/* The response to the request in TURN_REQUEST begins. Returns the verdict on the packet. */
static __always_inline int pass_response(struct __sk_buff *skb, struct request *request,
					 const struct packet *packet, __u32 turn)
{
	if (request_over(request, turn)) {
		begin_response(skb, request, packet);
		return PACKET_PASS;
	}
	return is_unsettled(request) ? PACKET_DROP : PACKET_PASS;
}

/* Takes the request over to the worker. Returns the verdict on the packet that failed it. */
static __noinline int hold(struct __sk_buff *skb, struct bpf_sock *sk, struct request *request,
			   const struct packet *packet, __u8 failure)
{
	struct sw_rescue head;
	bool wanted;
	int verdict;

	/* Behind the end of a connection the client's TCP takes nothing any more. */
	wanted = sk->state == BPF_TCP_ESTABLISHED && is_retried_on(request, failure);
	if (!wanted || !may_replay(request, failure)) {
		verdict = pass_response(skb, request, packet, TURN_RESPONSE);
		if (wanted && verdict == PACKET_PASS)
			note_impossible(request->rescue.method ? SW_OBSTACLE_METHOD
							       : SW_OBSTACLE_PROTOCOL);
		return verdict;
	}
	if (!turn_hold(request, TURN_REQUEST, TURN_HELD, failure, packet->flags, &head))
		return is_unsettled(request) ? PACKET_DROP : PACKET_PASS;
	outstanding_remove(request);
	if (failure == SW_FAILURE_RESET)
		blame(sk, packet, SW_EVIDENCE_CLOSED);
	head.kind = SW_RESCUE_REQUEST;
	head.response_len = packet->len <= SW_RESPONSE_MAX ? packet->len : 0;
	if (report(skb, request, &head, packet->offset) ||
	    !turn_move(request, TURN_HELD, TURN_RESPONSE))
		return PACKET_DROP;
	begin_response(skb, request, packet);
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
		if (status)
			sense_learn(request->rescue.service, 1);
		if (is_retryable(status))
			return hold(skb, sk, request, packet, SW_FAILURE_STATUS);
		return pass_response(skb, request, packet, status ? TURN_RESPONSE : TURN_IGNORED);
	}
	if (!ahead && packet->flags & (TCP_FIN | TCP_RST))
		return hold(skb, sk, request, packet, SW_FAILURE_RESET);
	if ((packet->len || packet->flags & TCP_FIN) && !request_over(request, TURN_SKIPPED) &&
	    is_unsettled(request))
		return PACKET_DROP;
	return PACKET_PASS;
}

/*
 * Nothing is under way on the connection, and the backend ends it: what is sent next is replayed, and may never
 * be. Returns the verdict, or a negative number if that is sent already.
 */
static __noinline int hold_end(struct __sk_buff *skb, struct request *request,
			       const struct packet *packet, __u32 turn)
{
	struct sw_rescue head;

	if (!turn_hold(request, turn, TURN_DEFERRED, SW_FAILURE_RESET, packet->flags, &head))
		return -1;
	head.kind = SW_RESCUE_IDLE;
	head.response_len = 0;
	if (turn == TURN_FRESH)
		head.seq = packet->seq;
	if (report(skb, request, &head, 0) || !turn_move(request, TURN_DEFERRED, turn))
		return PACKET_DROP;
	return PACKET_PASS;
}

/*
 * The backend ends the connection. What is not under way as it seems may have been sent just then, on another
 * CPU: then it has failed, or is about to leave; that goes to nobody, so the end comes again.
 */
static __always_inline int received_end(struct __sk_buff *skb, struct bpf_sock *sk,
					struct request *request, const struct packet *packet,
					__u32 turn, bool hold)
{
	int verdict = hold ? hold_end(skb, request, packet, turn) : -1;

	if (verdict >= 0)
		return verdict;
	if (request->turn == TURN_REQUEST)
		return received_response(skb, sk, request, packet);
	return is_unsettled(request) ? PACKET_DROP : PACKET_PASS;
}

/* Whether an end that comes behind a response may be ahead of another request. */
static __always_inline bool may_go_on(const struct request *request, const struct packet *packet)
{
	return request->rescue.last_response_len &&
	       packet->seq - request->rescue.seq == request->rescue.received &&
	       is_retried_on(request, SW_FAILURE_RESET) && may_replay_next(request) &&
	       may_stay_open(request, false) && may_stay_open(request, true);
}

/* The response has begun, or goes on. */
static __always_inline int received_more(struct __sk_buff *skb, struct bpf_sock *sk,
					 struct request *request, const struct packet *packet)
{
	if (packet->len)
		note_response(skb, request, packet);
	if (packet->len || !(packet->flags & (TCP_FIN | TCP_RST)))
		return PACKET_PASS;
	return received_end(skb, sk, request, packet, TURN_RESPONSE, may_go_on(request, packet));
}

/* The pod ended between handshake and request: there is nothing to replay yet, and may never be. */
static __always_inline int received_fresh(struct __sk_buff *skb, struct bpf_sock *sk,
					  struct request *request, const struct packet *packet)
{
	if (packet->len || !(packet->flags & (TCP_FIN | TCP_RST)))
		return PACKET_PASS;
	return received_end(skb, sk, request, packet, TURN_FRESH,
			    !is_past(bpf_ktime_get_ns(), request->rescue.since, FRESH_TIME) &&
				    is_retried_on(request, SW_FAILURE_RESET));
}

/* The request is left alone, whatever becomes of it. */
static __noinline int received_skipped(struct __sk_buff *skb, struct request *request,
				       const struct packet *packet)
{
	bool ends = !packet->len && packet->flags & (TCP_FIN | TCP_RST);

	if (packet->len ? is_retryable(http_status(skb, packet)) &&
				  is_retried_on(request, SW_FAILURE_STATUS)
			: ends && is_retried_on(request, SW_FAILURE_RESET))
		note_impossible(request->obstacle);
	if (packet->len && turn_move(request, TURN_SKIPPED, TURN_RESPONSE))
		begin_response(skb, request, packet);
	else if (ends)
		turn_move(request, TURN_SKIPPED, TURN_IGNORED);
	return PACKET_PASS;
}

/*
 * A refused connection is accepted in the backend's name only where clients are known to send HTTP/1, by what
 * others were answered: who does something else on it would wait for an answer from nobody.
 */
static __noinline int received_connecting(struct __sk_buff *skb, struct bpf_sock *sk,
					  struct request *request, const struct packet *packet)
{
	struct sw_rescue head;

	outstanding_remove(request);
	if (!(packet->flags & TCP_RST)) {
		turn_move(request, TURN_CONNECTING, TURN_FRESH);
		return PACKET_PASS;
	}
	if (!is_retried_on(request, SW_FAILURE_REFUSED))
		return PACKET_PASS;
	if (!sense_speaks_http(request->rescue.service)) {
		note_impossible(SW_OBSTACLE_UNKNOWN);
		return PACKET_PASS;
	}
	if (!turn_hold(request, TURN_CONNECTING, TURN_DEFERRED, SW_FAILURE_REFUSED, packet->flags,
		       &head))
		return PACKET_PASS;
	/* First, since the worker may be quicker than we are to make it look like a success. */
	blame(sk, packet, SW_EVIDENCE_REFUSED);
	if (report_connect(skb, request, &head))
		return PACKET_DROP;
	request->turn = TURN_IGNORED;
	return PACKET_PASS;
}

/*
 * The SYN was sent again, and refused again: what accepts the connection in the backend's name has not
 * come through, which a firewall in the client's network namespace may be the reason for.
 */
static __always_inline bool is_refused_again(const struct bpf_sock *sk,
					     const struct request *request,
					     const struct packet *packet)
{
	return packet->flags & TCP_RST && sk->state == BPF_TCP_SYN_SENT &&
	       request->rescue.tcp_flags & TCP_RST;
}

/* Acknowledgements do no harm; a client that still sends its request needs them. */
static __always_inline int received_held(const struct bpf_sock *sk, struct request *request,
					 const struct packet *packet)
{
	if (!packet->len && !(packet->flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return PACKET_PASS;
	if (is_held(request) && !is_refused_again(sk, request, packet))
		return PACKET_DROP;
	request->turn = TURN_IGNORED;
	return PACKET_PASS;
}

/*
 * A request that may not be repeated was sent to a backend that had ended the connection before. It
 * went out once and in one segment, so an RST that acknowledges nothing is the answer of a kernel that
 * gave it to nobody (RFC 9293, 3.5.2): it may be sent elsewhere after all. An end that was held back
 * comes again meanwhile; an acknowledgement says that the request was received.
 */
static __noinline int received_undecided(struct __sk_buff *skb, struct request *request,
					 const struct packet *packet)
{
	__u32 start = request->end - request->rescue.request_len;
	struct sw_rescue head;

	if (packet->flags & TCP_ACK) {
		if (packet->ack == start && packet->flags & TCP_FIN && is_held(request))
			return PACKET_DROP;
		if (packet->ack != start || packet->flags & TCP_RST)
			turn_move(request, TURN_UNDECIDED, TURN_IGNORED);
		return PACKET_PASS;
	}
	if (!(packet->flags & TCP_RST))
		return PACKET_PASS;
	if (!lease_is_fresh() || !turn_hold(request, TURN_UNDECIDED, TURN_HELD, SW_FAILURE_REFUSED,
					    packet->flags, &head))
		return PACKET_PASS;
	if (report_request(skb, request, &head))
		return PACKET_DROP;
	request->turn = TURN_IGNORED;
	return PACKET_PASS;
}

/*
 * The client has acknowledged what this backend never sent. Once the application has closed the
 * socket, its RST is the end that both sides wait for; and so it is if the answer's end was lost.
 */
static __always_inline int received_answered(const struct bpf_sock *sk,
					     const struct request *request)
{
	if (sk->state == BPF_TCP_CLOSE_WAIT)
		return PACKET_DROP;
	return sk->state == BPF_TCP_ESTABLISHED && is_held(request) ? PACKET_DROP : PACKET_PASS;
}

/* Of what may be a response or an end, nobody can say now what it means. */
static __always_inline int being_sent(const struct packet *packet)
{
	return packet->len || packet->flags & (TCP_FIN | TCP_RST) ? PACKET_DROP : PACKET_PASS;
}

static __always_inline int received(struct __sk_buff *skb, struct bpf_sock *sk,
				    struct request *request, const struct packet *packet)
{
	switch (request->turn) {
	case TURN_CONNECTING:
		return received_connecting(skb, sk, request, packet);
	case TURN_FRESH:
		return received_fresh(skb, sk, request, packet);
	case TURN_BEGINNING:
		return packet->len ? PACKET_PASS : being_sent(packet);
	case TURN_CAPTURING:
		return being_sent(packet);
	case TURN_REQUEST:
		return received_response(skb, sk, request, packet);
	case TURN_SKIPPED:
		return received_skipped(skb, request, packet);
	case TURN_RESPONSE:
		return received_more(skb, sk, request, packet);
	case TURN_UNDECIDED:
		return received_undecided(skb, request, packet);
	case TURN_DEFERRED:
	case TURN_HELD:
		return received_held(sk, request, packet);
	case TURN_ANSWERED:
		return received_answered(sk, request);
	default:
		return PACKET_PASS;
	}
}

/* The worker may be late: what it sends for an earlier request acknowledges nothing of this one. */
static __always_inline bool is_for(const struct request *request, const struct packet *packet)
{
	__u32 start = request->rescue.ack - request->rescue.request_len;

	return (__s32)(packet->ack - start) > 0;
}

static __always_inline int ordered_answer(struct request *request, const struct packet *packet)
{
	if (request->turn == TURN_DEFERRED && packet->flags & TCP_SYN &&
	    packet->ack == request->rescue.ack) {
		/* The worker's SYN-ACK offers no window scale, so there is none. */
		request->window_shift = 0;
		report_progress(request, packet);
		return PACKET_PASS;
	}
	if (!is_for(request, packet))
		return PACKET_DROP;
	/* Nothing has failed visibly: what the backend sends itself from now on comes too late. */
	if (request->is_reported && packet->len && packet->seq == request->rescue.seq &&
	    turn_hold(request, TURN_REQUEST, TURN_HELD, SW_FAILURE_TIMEOUT, 0, NULL))
		outstanding_remove(request);
	if (request->turn != TURN_HELD && request->turn != TURN_ANSWERED)
		return PACKET_DROP;
	hold_for(request, SW_RESCUE_GRACE);
	if (packet->flags & TCP_FIN)
		turn_move(request, TURN_HELD, TURN_ANSWERED);
	if (packet->flags & TCP_RST)
		request->turn = TURN_IGNORED;
	return PACKET_PASS;
}

static __always_inline int ordered_release(struct __sk_buff *skb, struct request *request,
					   const struct packet *packet)
{
	if ((request->turn == TURN_REQUEST || request->turn == TURN_CAPTURING) &&
	    is_for(request, packet))
		request->is_reported = false;
	if (is_for(request, packet) && turn_move(request, TURN_HELD, TURN_RESPONSE))
		begin_response(skb, request, packet);
	else if (packet->ack != request->rescue.ack ||
		 !turn_move(request, TURN_DEFERRED, TURN_IGNORED))
		return PACKET_DROP;
	return packet->len || packet->flags & (TCP_FIN | TCP_RST) ? PACKET_PASS : PACKET_DROP;
}

/* The client will get no answer any more, if it has not got one elsewhere. */
static __always_inline int ordered_end(struct request *request)
{
	if (turn_move(request, TURN_DEFERRED, TURN_IGNORED) ||
	    turn_move(request, TURN_UNDECIDED, TURN_IGNORED))
		return PACKET_PASS;
	return request->turn == TURN_IGNORED ? PACKET_PASS : PACKET_DROP;
}

/* A backend that takes too long may be slow, or gone: a probe tells. */
static __always_inline void doubt(struct bpf_sock *sk)
{
	sense_doubt(bpf_sk_storage_get(&sw_sockets, sk, 0, 0), SW_EVIDENCE_TIMEOUT);
}

static __noinline int ordered_report(struct __sk_buff *skb, struct bpf_sock *sk,
				     struct request *request, const struct packet *packet)
{
	__u32 turn = request->turn;
	struct sw_rescue head;

	if (turn != TURN_REQUEST && turn != TURN_CAPTURING && turn != TURN_CONNECTING)
		return PACKET_DROP;
	if (turn == TURN_CAPTURING ||
	    ((__u64)packet->ack << 32 | packet->seq) != request->rescue.since) {
		outstanding_add(request); /* the worker has removed it */
		return PACKET_DROP;
	}
	doubt(sk);
	if (turn == TURN_CONNECTING) {
		/* No SYN-ACK: nothing of a request was sent. */
		if (sense_speaks_http(request->rescue.service) &&
		    turn_hold(request, turn, TURN_DEFERRED, SW_FAILURE_REFUSED, 0, &head) &&
		    !report_connect(skb, request, &head))
			request->turn = TURN_IGNORED;
	} else if (may_replay(request, SW_FAILURE_TIMEOUT)) {
		/* First, since the answer may be quicker than we are. */
		request->is_reported = true;
		if (!turn_hold(request, turn, turn, SW_FAILURE_TIMEOUT, 0, &head) ||
		    !report_request(skb, request, &head))
			request->is_reported = false;
	}
	return PACKET_DROP;
}

static __always_inline bool is_order(const struct __sk_buff *skb, const struct packet *packet)
{
	return packet->urgent >= SW_ORDER_ANSWER && packet->urgent <= SW_ORDER_REPORT &&
	       !(packet->flags & TCP_URG) && skb->ifindex == SW_ORDER_IFINDEX;
}

static __always_inline int ordered(struct __sk_buff *skb, struct bpf_sock *sk,
				   struct request *request, const struct packet *packet)
{
	switch (packet->urgent) {
	case SW_ORDER_ANSWER:
		return ordered_answer(request, packet);
	case SW_ORDER_RELEASE:
		return ordered_release(skb, request, packet);
	case SW_ORDER_END:
		return ordered_end(request);
	default:
		return ordered_report(skb, sk, request, packet);
	}
}

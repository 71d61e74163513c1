/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the client sends: connections are noted, requests are captured. Nothing is ever dropped. */
#pragma once

#include "peer.bpf.h"
#include "rescue_exchange.bpf.h"
#include "rescue_turn.bpf.h"
#include "sources.bpf.h"

/* Who is dropped at a load balancer's address gets no answer: no failure that rescue makes up for. */
static __always_inline bool is_let_through(const struct sw_socket *socket,
					   const struct packet *packet)
{
	struct sw_frontend_key key = {.addr = socket->frontend_addr,
				      .port = socket->frontend_port,
				      .proto = IPPROTO_TCP,
				      .scope = SW_SCOPE_ADDRESS};

	return source_may_use(&key, socket->flags & SW_SOCKET_ON_NODE, &packet->source);
}

/* The connection of a service that opted in; NULL for any other. */
static __always_inline struct request *request_open(struct bpf_sock *sk,
						    const struct packet *packet)
{
	struct sw_socket *socket = bpf_sk_storage_get(&sw_sockets, sk, 0, 0);
	struct sw_service *service;
	struct request *request;
	__u32 index;

	/* The worker would not find a socket that is bound to a device, see sock_exists.h. */
	if (!socket || sk->bound_dev_if || socket->backend_port != packet->target_port ||
	    !addr_is(&socket->backend_addr, &packet->target))
		return NULL;
	index = socket->service;
	service = bpf_map_lookup_elem(&sw_services, &index);
	if (!service || !service->policy.retry_on || !is_let_through(socket, packet))
		return NULL;
	request = bpf_sk_storage_get(&sw_requests, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!request)
		return NULL;
	request->rescue.frontend_addr = socket->frontend_addr;
	request->rescue.frontend_port = socket->frontend_port;
	request->rescue.service = socket->service;
	request->rescue.backend = socket->backend;
	return request;
}

/* The socket connects to something that is none of ours: what it had before says nothing of that. */
static __always_inline void close_earlier(struct bpf_sock *sk)
{
	struct request *request = bpf_sk_storage_get(&sw_requests, sk, 0, 0);

	if (!request)
		return;
	outstanding_remove(request);
	bpf_sk_storage_delete(&sw_requests, sk);
}

/* A SYN, perhaps for the second time. */
static __always_inline void sent_syn(struct __sk_buff *skb, struct bpf_sock *sk,
				     const struct packet *packet)
{
	struct request *request = bpf_sk_storage_get(&sw_requests, sk, 0, 0);
	struct offer offer = {};

	if (request && request->end == packet->seq + 1 &&
	    (request->turn == TURN_CONNECTING || request->turn == TURN_DEFERRED ||
	     request->turn == TURN_IGNORED))
		return;
	packet_read_offer(skb, packet, &offer);
	/* Where a stream ends is said by an option, which the worker's segments do not have. */
	request = offer.multipath ? NULL : request_open(sk, packet);
	if (!request) {
		close_earlier(sk);
		return;
	}
	request->rescue.cookie = bpf_get_socket_cookie(skb);
	request->rescue.since = bpf_ktime_get_ns();
	request->rescue.client_addr = packet->source;
	request->rescue.client_port = packet->source_port;
	request->rescue.backend_addr = packet->target;
	request->rescue.backend_port = packet->target_port;
	request->rescue.request_len = 0;
	request->rescue.last_sent = 0;
	request->rescue.last_request_len = 0;
	forget_response(request);
	request->rescue.ack = request->end = packet->seq + 1;
	request->window_shift = offer.window_shift;
	request->is_reported = request->is_taken = false;
	request->methods = 0;
	/* The request may be over by the handshake, or a part of it. */
	if (packet->len) {
		request->turn = TURN_IGNORED;
		outstanding_remove(request);
		return;
	}
	request->turn = TURN_CONNECTING;
	outstanding_add(request);
}

/* Appends the payload to what is captured. Returns whether it fits. */
static __always_inline bool capture(struct __sk_buff *skb, struct request *request,
				    const struct packet *packet)
{
	__u64 used = request->rescue.request_len, len = packet->len;

	barrier_var(used);
	if (!used) {
		if (!packet_copy(skb, packet->offset, request->bytes, len, SW_REQUEST_MAX))
			return false;
	} else if (used >= SW_REQUEST_MAX || used + len > SW_REQUEST_MAX ||
		   !packet_copy(skb, packet->offset, request->bytes + used, len, SW_RESPONSE_MAX)) {
		return false;
	}
	/* In this order: whoever subtracts one from the other meanwhile gets none that is too early. */
	request->rescue.ack = request->end = packet->seq + packet->len;
	barrier();
	request->rescue.request_len = used + len;
	if (request->rescue.request_len < sizeof(__u64))
		return true;
	request->rescue.method = method_of(request->bytes);
	request->methods |= request->rescue.method;
	if (!request->rescue.method)
		request->obstacle = SW_OBSTACLE_PROTOCOL;
	return request->rescue.method;
}

static __always_inline void count_request(const struct request *request)
{
	__u32 index = request->rescue.service;
	__u64 *count = bpf_map_lookup_elem(&sw_request_count, &index);

	if (count)
		__sync_fetch_and_add(count, 1);
}

/* The first segment of a request. Returns whether the request is captured. */
static __always_inline bool begin(struct __sk_buff *skb, struct request *request,
				  const struct packet *packet)
{
	keep_request(request, packet);
	request->is_reported = false;
	request->obstacle =
		SW_OBSTACLE_LENGTH; /* of what is not captured, unless it is something else */
	request->rescue.request_len = 0;
	request->rescue.method = 0;
	request->rescue.since = bpf_ktime_get_ns();
	request->rescue.seq = packet->ack;
	request->rescue.window = (__u32)packet->window << (request->window_shift & 15);
	count_request(request);
	if (packet->len <= SW_REQUEST_MAX)
		return capture(skb, request, packet);
	/* Only to see later where it has ended. */
	if (packet_copy(skb, packet->offset, request->bytes, SW_LAST_MAX, SW_LAST_MAX)) {
		request->rescue.request_len = SW_LAST_MAX;
		request->rescue.ack = request->end = packet->seq + SW_LAST_MAX;
		if (!method_of(request->bytes))
			request->obstacle = SW_OBSTACLE_PROTOCOL;
	}
	return false;
}

/* The request of a connection that has failed before. */
static __always_inline void sent_to_failed(struct __sk_buff *skb, struct request *request,
					   const struct packet *packet)
{
	struct sw_rescue head;
	__u8 failure;

	if (!begin(skb, request, packet)) {
		/* The backend will say once more that there is no such connection. */
		note_impossible(request->obstacle);
		request->turn = TURN_IGNORED;
		return;
	}
	failure = request->rescue.failure;
	if (!may_replay(request, failure)) {
		turn_move(request, TURN_DEFERRED, TURN_UNDECIDED);
		return;
	}
	if (!turn_hold(request, TURN_DEFERRED, TURN_HELD, failure, request->rescue.tcp_flags,
		       &head) ||
	    !report_request(skb, request, &head))
		request->turn = TURN_IGNORED;
}

static __always_inline void sent_first(struct __sk_buff *skb, struct request *request,
				       const struct packet *packet, __u32 turn)
{
	if (request->rescue.request_len && (__s32)(packet->seq - request->end) < 0)
		return; /* sent before */
	if (!turn_move(request, turn, TURN_BEGINNING)) {
		/* The backend has ended the connection in this instant, on another CPU. */
		if (request->turn == TURN_DEFERRED)
			sent_to_failed(skb, request, packet);
		else
			request->turn = TURN_IGNORED;
		return;
	}
	if (begin(skb, request, packet)) {
		outstanding_add(request);
		turn_move(request, TURN_BEGINNING, TURN_REQUEST);
	} else {
		request->methods |= METHOD_OTHER;
		turn_move(request, TURN_BEGINNING, TURN_SKIPPED);
	}
}

static __always_inline void sent_more_of_held(struct __sk_buff *skb, struct request *request,
					      const struct packet *packet)
{
	struct sw_rescue head;

	if (packet->seq != request->end)
		return;
	/* Too large now: without the report the worker waits in vain, and gives up. */
	if (!capture(skb, request, packet))
		return;
	head = request->rescue;
	report_request(skb, request, &head);
}

static __always_inline void sent_more(struct __sk_buff *skb, struct request *request,
				      const struct packet *packet)
{
	bool is_captured;

	if ((__s32)(packet->seq - request->end) < 0)
		return; /* sent before */
	if (!turn_move(request, TURN_REQUEST, TURN_CAPTURING)) {
		if (request->turn == TURN_HELD)
			sent_more_of_held(skb, request, packet);
		return;
	}
	is_captured = packet->seq == request->end && capture(skb, request, packet);
	if (!is_captured)
		request->methods |= METHOD_OTHER;
	turn_move(request, TURN_CAPTURING, TURN_REQUEST);
	if (!is_captured)
		request_over(request, TURN_SKIPPED);
}

static __always_inline void sent_data(struct __sk_buff *skb, struct request *request,
				      const struct packet *packet)
{
	__u32 turn = request->turn;

	switch (turn) {
	case TURN_CONNECTING:
	case TURN_FRESH:
	case TURN_RESPONSE:
		sent_first(skb, request, packet, turn);
		return;
	case TURN_REQUEST:
		sent_more(skb, request, packet);
		return;
	case TURN_DEFERRED:
		sent_to_failed(skb, request, packet);
		return;
	case TURN_UNDECIDED:
		/* Which of the segments is refused would not be known. */
		if (turn_move(request, TURN_UNDECIDED, TURN_IGNORED))
			note_impossible(SW_OBSTACLE_METHOD);
		return;
	case TURN_HELD:
		sent_more_of_held(skb, request, packet);
		return;
	default:
		return;
	}
}

/*
 * The client closes, or half of it: nobody knows which. Left alone from now on, unless the worker has
 * the request. It goes on: what it sends to a socket that is closed is answered by an RST.
 */
static __always_inline void sent_end(struct request *request, const struct packet *packet)
{
	if (request->turn == TURN_HELD || request->turn == TURN_ANSWERED) {
		report_progress(request, packet);
		return;
	}
	if (!request_over(request, TURN_IGNORED))
		request->turn = TURN_IGNORED;
}

static __always_inline void sent(struct __sk_buff *skb, struct request *request,
				 const struct packet *packet)
{
	if (packet->flags & (TCP_FIN | TCP_RST))
		sent_end(request, packet);
	else if (packet->len)
		sent_data(skb, request, packet);
	else if (request->turn == TURN_HELD || request->turn == TURN_ANSWERED)
		report_progress(request, packet);
}

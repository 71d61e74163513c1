/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the worker needs to see that an exchange of request and response was over when the next request
 * was sent, or the connection ended: how both began, how long they were, and how the response ended.
 * Looking at it here would cost every request; there it costs only those that fail.
 */
#pragma once

#include "rescue_maps.bpf.h"
#include "rescue_packet.bpf.h"
#include "rescue_report.bpf.h"

static __always_inline void forget_response(struct request *request)
{
	request->rescue.last_response_len = 0;
	request->rescue.received = 0;
	__builtin_memset(request->rescue.tail, 0, sizeof(request->rescue.tail));
}

static __always_inline void keep_first(struct __sk_buff *skb, struct request *request,
				       const struct packet *packet)
{
	__u64 kept = request->rescue.last_response_len, len = packet->len;

	barrier_var(kept);
	if (kept >= SW_LAST_MAX)
		return;
	if (len > SW_LAST_MAX - kept)
		len = SW_LAST_MAX - kept;
	/* Behind the response there is room for the request, so `kept` and `len` need no common limit. */
	if (packet_copy(skb, packet->offset, request->bytes + LAST_RESPONSE_AT + kept, len,
			SW_LAST_MAX))
		request->rescue.last_response_len = kept + len;
}

/* `is_next`: it continues what has come before. */
static __always_inline void keep_tail(struct __sk_buff *skb, struct request *request,
				      const struct packet *packet, bool is_next)
{
	__u64 tail = 0;
	__u8 byte;

	if (packet->len >= sizeof(tail)) {
		bpf_skb_load_bytes(skb, skb->len - sizeof(tail), &tail, sizeof(tail));
	} else if (is_next) {
		__builtin_memcpy(&tail, request->rescue.tail, sizeof(tail));
		for (__u32 i = 0; i < sizeof(tail) - 1; i++) {
			if (i >= packet->len ||
			    bpf_skb_load_bytes(skb, packet->offset + i, &byte, 1))
				break;
			tail = tail >> 8 | (__u64)byte << 56; /* little endian */
		}
	}
	__builtin_memcpy(request->rescue.tail, &tail, sizeof(tail));
}

/* A segment of the response: the first bytes of all, the length and the last bytes are kept. */
static __noinline void note_response(struct __sk_buff *skb, struct request *request,
				     const struct packet *packet)
{
	__u32 at = packet->seq - request->rescue.seq, end = at + packet->len;

	if (!packet->len)
		return;
	if (at == request->rescue.last_response_len)
		keep_first(skb, request, packet);
	if ((__s32)(end - request->rescue.received) <= 0)
		return;
	keep_tail(skb, request, packet, at == request->rescue.received);
	request->rescue.received = end;
}

/* The response begins with this segment, perhaps. */
static __always_inline void begin_response(struct __sk_buff *skb, struct request *request,
					   const struct packet *packet)
{
	forget_response(request);
	note_response(skb, request, packet);
}

/* Another request begins with this segment: the one before is kept as its predecessor. */
static __always_inline void keep_request(struct request *request, const struct packet *packet)
{
	__u64 len = request->rescue.request_len;

	request->rescue.last_sent = len ? packet->seq - (request->end - (__u32)len) : 0;
	if (len > SW_LAST_MAX)
		len = SW_LAST_MAX;
	request->rescue.last_request_len = len;
	for (__u64 i = 0; i < SW_LAST_MAX; i += sizeof(struct block)) {
		if (i >= len)
			break;
		*(struct block *)(request->bytes + LAST_REQUEST_AT + i) =
			*(struct block *)(request->bytes + i);
	}
}

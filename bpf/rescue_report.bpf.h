/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the worker is told. A record is put together in the ring and nowhere else: the programs of a
 * connection run on several CPUs at once, and what was captured is being added to by another one perhaps.
 */
#pragma once

#include "rescue_maps.bpf.h"
#include "rescue_packet.bpf.h"

struct block {
	__u64 words[8];
};

/*
 * A record's size has to be known beforehand, and so has what is copied, or the verifier follows every length
 * there may be: most records are small, a few are large.
 */
struct small_record {
	struct sw_rescue head;
	char request[512];
	char response[512];
	char last_response[SW_LAST_MAX];
	char last_request[512];
};

struct large_record {
	struct sw_rescue head;
	char request[SW_REQUEST_MAX];
	char response[SW_RESPONSE_MAX];
	char last_response[SW_LAST_MAX];
	char last_request[SW_LAST_MAX];
};

/* `size`: a constant, and a multiple of a block's. */
static __noinline void record_put(char *to, const char *from, __u64 size)
{
	for (__u64 i = 0; i < size; i += sizeof(struct block))
		*(struct block *)(to + i) = *(const struct block *)(from + i);
}

/* Defines report_small() or report_large(). */
#define DEFINE_REPORT(kind)                                                                   \
	static __always_inline bool report_##kind(struct __sk_buff *skb,                      \
						  const struct request *request,              \
						  const struct sw_rescue *head, __u32 offset) \
	{                                                                                     \
		typedef struct kind##_record record_type;                                     \
		record_type *record = bpf_ringbuf_reserve(&sw_rescues, sizeof(*record), 0);   \
                                                                                              \
		if (!record) {                                                                \
			__sync_fetch_and_add(&rescue_overruns, 1);                            \
			return false;                                                         \
		}                                                                             \
		record->head = *head;                                                         \
		record->head.response_at = offsetof(record_type, response);                   \
		record->head.last_response_at = offsetof(record_type, last_response);         \
		record->head.last_request_at = offsetof(record_type, last_request);           \
		if (head->response_len &&                                                     \
		    !packet_copy(skb, offset, record->response, head->response_len,           \
				 sizeof(record->response))) {                                 \
			bpf_ringbuf_discard(record, 0);                                       \
			return false;                                                         \
		}                                                                             \
		record_put(record->request, request->bytes, sizeof(record->request));         \
		record_put(record->last_response, request->bytes + LAST_RESPONSE_AT,          \
			   sizeof(record->last_response));                                    \
		record_put(record->last_request, request->bytes + LAST_REQUEST_AT,            \
			   sizeof(record->last_request));                                     \
		bpf_ringbuf_submit(record, 0);                                                \
		return true;                                                                  \
	}

DEFINE_REPORT(small)
DEFINE_REPORT(large)

/*
 * Hands `head` to the worker, with the request, `response_len` bytes of the packet from `offset` on, and what was
 * before. Returns whether it has got that.
 */
static __noinline bool report(struct __sk_buff *skb, const struct request *request,
			      const struct sw_rescue *head, __u32 offset)
{
	const struct small_record *small = NULL;

	if (head->request_len <= sizeof(small->request) &&
	    head->response_len <= sizeof(small->response) &&
	    head->last_request_len <= sizeof(small->last_request))
		return report_small(skb, request, head, offset);
	return report_large(skb, request, head, offset);
}

/* The same without a response. */
static __always_inline bool report_request(struct __sk_buff *skb, struct request *request,
					   struct sw_rescue *head)
{
	head->kind = SW_RESCUE_REQUEST;
	head->response_len = 0;
	return report(skb, request, head, 0);
}

static __always_inline bool report_connect(struct __sk_buff *skb, struct request *request,
					   struct sw_rescue *head)
{
	head->kind = SW_RESCUE_CONNECT;
	head->response_len = 0;
	return report(skb, request, head, 0);
}

/* The client sent something after its request was taken over: the worker counts on it. */
static __noinline void report_progress(const struct request *request, const struct packet *packet)
{
	struct sw_rescue record = {
		.cookie = request->rescue.cookie,
		.since = request->rescue.since,
		.kind = SW_RESCUE_PROGRESS,
		.tcp_flags = packet->flags,
		.seq = packet->ack,
		.ack = packet->seq + packet->len,
		.window = (__u32)packet->window << (request->window_shift & 15),
	};

	bpf_ringbuf_output(&sw_rescues, &record, sizeof(record), 0);
}

static __noinline void report_over(struct request *request)
{
	struct sw_rescue record = {
		.cookie = request->rescue.cookie,
		.since = request->rescue.since,
		.kind = SW_RESCUE_OVER,
	};

	request->is_reported = false;
	bpf_ringbuf_output(&sw_rescues, &record, sizeof(record), 0);
}

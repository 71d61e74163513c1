/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose turn it is on a connection, and which failure is held back. No context: hooks read the
 * packet and do what is said here.
 *
 * Sequence numbers decide. The first byte of the response has the number that the first segment of
 * the request acknowledged; what comes before it is old, and when something behind it comes first,
 * the order is lost and the request is left alone.
 */
#pragma once

#include "rescue_maps.bpf.h"
#include "rescue_packet.bpf.h"
#include "rescue_report.bpf.h"

#include "age.bpf.h"
#include "maps.bpf.h"

enum { PACKET_DROP = 0, PACKET_PASS = 1 };

/* A connection may end unused; when it did not live that long, its pod has died. ns */
#define FRESH_TIME 1000000000ULL

static __always_inline bool turn_move(struct request *request, __u32 from, __u32 to)
{
	bool moved;

	bpf_spin_lock(&request->lock);
	moved = request->turn == from;
	if (moved)
		request->turn = to;
	bpf_spin_unlock(&request->lock);
	return moved;
}

static __always_inline bool lease_is_fresh(void)
{
	return !is_past(bpf_ktime_get_ns(), rescue_heartbeat, SW_RESCUE_LEASE);
}

/* What is held stays so for `time` (ns) at least. */
static __always_inline void hold_for(struct request *request, __u64 time)
{
	__u64 until = bpf_ktime_get_ns() + time;

	if (until > request->held_until)
		request->held_until = until;
}

/* Whether what is held back stays so. That the worker is alive does not say that it sees to this one. */
static __always_inline bool is_held(const struct request *request)
{
	__u64 *let_go;

	if (!lease_is_fresh() || bpf_ktime_get_ns() > request->held_until)
		return false;
	let_go = bpf_map_lookup_elem(&sw_let_go, &request->rescue.cookie);
	return !let_go || *let_go != request->rescue.since;
}

/* The policy of the connection's service; NULL if it is a service's no longer. */
static __always_inline struct sw_policy *request_policy(const struct request *request)
{
	__u32 index = request->rescue.service;
	struct sw_service *service = bpf_map_lookup_elem(&sw_services, &index);

	return service ? &service->policy : NULL;
}

/*
 * A failure, or the end of a connection, begins to be held back: the worker has to see to it in time. What it
 * is to be told is taken down at the same time, as the client may send more in the next instant. ret: or NULL.
 */
static __always_inline bool turn_hold(struct request *request, __u32 from, __u32 to, __u8 failure,
				      __u8 tcp_flags, struct sw_rescue *ret)
{
	struct sw_policy *policy = request_policy(request);
	bool moved;

	hold_for(request, (policy ? policy->retry_timeout : 0) * 1000000ULL + SW_RESCUE_GRACE);
	bpf_spin_lock(&request->lock);
	moved = request->turn == from;
	if (moved) {
		request->turn = to;
		request->rescue.failure = failure;
		request->rescue.tcp_flags = tcp_flags;
		if (ret)
			*ret = request->rescue;
	}
	bpf_spin_unlock(&request->lock);
	return moved;
}

static __always_inline bool is_retried_on(const struct request *request, __u32 failure)
{
	struct sw_policy *policy = request_policy(request);

	return policy && policy->retry_on & failure && lease_is_fresh();
}

/*
 * Whether whatever the client has sent so far could have been replayed: what it sends next is likely to be of that
 * kind, and gains if the end of the connection is held back for it. Anything else may lose, see rescue_idle.h.
 */
static __always_inline bool may_replay_next(const struct request *request)
{
	struct sw_policy *policy = request_policy(request);

	return policy && !(request->methods & ~(__u32)policy->retry_methods);
}

static __always_inline __u8 method_of(const char *bytes)
{
	__u64 word = *(const __u64 *)bytes;

#define IS_METHOD(text)                                       \
	((word & (~0ULL >> (64 - 8 * (sizeof(text) - 1)))) == \
	 ((union {                                            \
		  char chars[8];                              \
		  __u64 word;                                 \
	  }){.chars = text}                                   \
		  .word &                                     \
	  (~0ULL >> (64 - 8 * (sizeof(text) - 1)))))
	if (IS_METHOD("GET "))
		return SW_METHOD_GET;
	if (IS_METHOD("HEAD "))
		return SW_METHOD_HEAD;
	if (IS_METHOD("OPTIONS "))
		return SW_METHOD_OPTIONS;
	if (IS_METHOD("PUT "))
		return SW_METHOD_PUT;
	if (IS_METHOD("DELETE "))
		return SW_METHOD_DELETE;
	if (IS_METHOD("POST "))
		return SW_METHOD_POST;
	if (IS_METHOD("PATCH "))
		return SW_METHOD_PATCH;
#undef IS_METHOD
	return 0;
}

/* A request of which nothing was sent may be sent, whatever its method. */
static __always_inline bool may_replay(const struct request *request, __u32 failure)
{
	struct sw_policy *policy = request_policy(request);

	if (!policy || !request->rescue.method)
		return false;
	return failure == SW_FAILURE_REFUSED || policy->retry_methods & request->rescue.method;
}

/* Something has failed that would have been replayed but for this. */
static __always_inline void note_impossible(__u32 obstacle)
{
	if (obstacle < SW_OBSTACLE_COUNT)
		__sync_fetch_and_add(&rescue_impossible[obstacle], 1);
}

static __always_inline void outstanding_add(const struct request *request)
{
	struct sw_outstanding value = {
		.since = request->rescue.since,
		.client_addr = request->rescue.client_addr,
		.backend_addr = request->rescue.backend_addr,
		.client_port = request->rescue.client_port,
		.backend_port = request->rescue.backend_port,
		.service = request->rescue.service,
		.backend = request->rescue.backend,
	};

	bpf_map_update_elem(&sw_outstanding, &request->rescue.cookie, &value, BPF_ANY);
}

static __always_inline void outstanding_remove(const struct request *request)
{
	bpf_map_delete_elem(&sw_outstanding, &request->rescue.cookie);
}

/* The request in TURN_REQUEST is not waited for any more. Returns whether it was. */
static __always_inline bool request_over(struct request *request, __u32 turn)
{
	if (!turn_move(request, TURN_REQUEST, turn))
		return false;
	outstanding_remove(request);
	if (request->is_reported)
		report_over(request);
	return true;
}

/* A turn that could not be taken: of a request that is being captured, or was until just now. */
static __always_inline bool is_unsettled(const struct request *request)
{
	__u32 turn = request->turn;

	return turn == TURN_BEGINNING || turn == TURN_CAPTURING || turn == TURN_REQUEST;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What connections show of their backends: counts failures and takes a backend out. The core,
 * without a context: the hooks are in sense.bpf.c, and programs that hold packets back before TCP
 * sees them (rescue) call sense_failure() themselves.
 *
 * A refused connection is a fact; it takes a backend out while any other one is left. Everything
 * else may be the network, or the request: it never takes out more than half of the backends of a
 * service, and when several of them fail within a second although probes reach them, and the others are
 * no better, it is the requests that are to blame, and nobody is out.
 */
#pragma once

#include "sense_judge.bpf.h"

/*
 * A connection of the node was let in when those of clients were not: it is a firewall of theirs (a
 * NetworkPolicy that rejects or drops), and the others are not to lose the backend for it.
 */
static __always_inline bool sense_is_excused(const struct sense *sense)
{
	return sense->now < sense->load->excused_until &&
	       (sense->evidence == SW_EVIDENCE_REFUSED ||
		sense->evidence == SW_EVIDENCE_UNREACHABLE ||
		sense->evidence == SW_EVIDENCE_TIMEOUT);
}

/*
 * A connection to the backend of this socket was not made, or its response failed. `evidence` is
 * of enum sw_evidence, up to SW_EVIDENCE_STATUS; `status` the HTTP status, or 0.
 */
static __noinline int sense_failure(const struct sw_socket *socket, __u32 evidence, __u32 status)
{
	struct sense sense = {};

	if (!socket || !sense_find(socket, &sense))
		return 0;
	sense.now = bpf_ktime_get_ns();
	sense.evidence = evidence;
	sense.status = status;
	sense.first = is_past(sense.now, sense.load->last_failure, SENSE_WINDOW);
	if (is_past(sense.now, sense.load->last_failure, SENSE_STALE))
		sense_reset(sense.load);
	sense.load->last_failure = sense.now;
	/* What was on its way when it was ejected says nothing new. */
	if (sense.backend->trial == SW_TRIAL_DUE && sense.now < sense.backend->ejected_until) {
		if (evidence == SW_EVIDENCE_STATUS)
			sense_tell_stray(&sense);
		return 0;
	}
	if (sense_is_excused(&sense)) {
		sense_tell_seldom(&sense, SW_EVENT_DOUBT);
		return 0;
	}
	if (sense_is_connect(evidence))
		sense.action = sense_count_connect(&sense) ? SENSE_EJECT : SENSE_NOTHING;
	else
		sense.action = sense_count_response(&sense);
	if (sense.backend->trial)
		sense.action = SENSE_EJECT;
	if (sense.action != SENSE_NOTHING) {
		if (sense_is_connect(evidence) || sense.now >= sense.service->spared_until)
			sense_judge(&sense);
		return 0;
	}
	if (!sense_is_connect(evidence))
		return 0;
	sense.backend->suspect_until = sense.now + SENSE_SUSPECT;
	sense_tell_seldom(&sense, SW_EVENT_DOUBT);
	return 0;
}

/* Something that proves nothing, but is worth a probe. */
static __noinline int sense_doubt(const struct sw_socket *socket, __u32 evidence)
{
	struct sense sense = {};

	if (!socket || !sense_find(socket, &sense))
		return 0;
	sense.now = bpf_ktime_get_ns();
	sense.evidence = evidence;
	sense_tell_seldom(&sense, SW_EVENT_DOUBT);
	return 0;
}

/* Whether the share of failures is one to be ignored again. */
static __always_inline bool sense_is_better(const struct sense *sense)
{
	struct sense_rate rate;

	if (!is_past(sense->now, sense->load->lowered_at, SENSE_LOWERED))
		return false;
	rate = sense_rate(sense->load, sense->now);
	return is_past(sense->now, sense->load->last_failure, SENSE_WINDOW) ||
	       (rate.all >= SENSE_SHARE_MIN && rate.failed * 100 < rate.all * SENSE_RAISE_BELOW);
}

static __always_inline void sense_count_success(const struct sense *sense)
{
	struct sw_backend_load *load = sense->load;

	if (load->response_failures)
		load->response_failures = 0;
	if (!is_past(sense->now, load->last_failure, SENSE_WINDOW))
		__sync_fetch_and_add(&sense_half(sense)->good, 1);
	if (sense->backend->lowered && sense_is_better(sense))
		sense_raise(sense);
	if (is_past(sense->now, load->last_success, SENSE_SUCCESS_STEP))
		load->last_success = sense->now;
}

/* A success does not shorten an ejection, unless it is the trial after it. */
static __always_inline void sense_end_trial(struct sense *sense, int kind)
{
	if (sense->backend->trial == SW_TRIAL_DUE && sense->now < sense->backend->ejected_until)
		return;
	sense->evidence = sense->load->evidence;
	if (kind == SENSE_CONNECTED && !sense_is_connect(sense->evidence))
		return;
	sense->backend->trial = SW_TRIAL_NONE;
	/* Not 0: forgetting its ejections counts from here. */
	sense->backend->ejected_until = sense->now;
	sense_tell(sense, SW_EVENT_RETURNED, 0);
}

/* `kind`: of enum sense_success_kind. */
static __noinline int sense_success(const struct sw_socket *socket, int kind)
{
	struct sense sense = {};

	if (!socket || !sense_find(socket, &sense))
		return 0;
	sense.now = bpf_ktime_get_ns();
	if (sense.load->connect_failures)
		sense.load->connect_failures = 0;
	if (sense.backend->suspect_until)
		sense.backend->suspect_until = 0;
	if (kind == SENSE_ANSWERED && is_past(sense.now, sense.load->last_good, SENSE_SUCCESS_STEP))
		sense.load->last_good = sense.now;
	if (kind != SENSE_CONNECTED)
		sense_count_success(&sense);
	if (sense.backend->trial)
		sense_end_trial(&sense, kind);
	return 0;
}

/*
 * What the backends of the service say first on a connection: that it is HTTP/1, or that it is not. Noted
 * by service, since of a backend that never answered nothing else would be known. Rescue notes it, too, where
 * responses are not looked at.
 */
static __always_inline void sense_learn(__u32 index, __u32 is_http)
{
	struct sw_service *service = bpf_map_lookup_elem(&sw_services, &index);

	if (service && service->speaks_http != is_http)
		service->speaks_http = is_http;
}

/* Whether who asks there expects an answer, as far as is known. */
static __always_inline bool sense_speaks_http(__u32 index)
{
	struct sw_service *service = bpf_map_lookup_elem(&sw_services, &index);

	return service && service->speaks_http;
}

/* The socket counts as an open connection of its backend, once. */
static __always_inline void sense_open(struct sw_socket *socket)
{
	struct sense sense;

	if (socket->flags & SW_SOCKET_OPEN || !sense_find(socket, &sense))
		return;
	__sync_fetch_and_add(&sense.load->open, 1);
	socket->flags |= SW_SOCKET_OPEN;
}

static __always_inline void sense_close(struct sw_socket *socket)
{
	struct sense sense;

	if (!(socket->flags & SW_SOCKET_OPEN))
		return;
	socket->flags &= ~SW_SOCKET_OPEN;
	if (sense_find(socket, &sense))
		__sync_fetch_and_add(&sense.load->open, -1);
}

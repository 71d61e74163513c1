/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Failures and successes of a backend, counted, and whether they are enough. Counters are atomic adds
 * that are read afterwards, so on however many CPUs, the one that reaches the limit is seen by somebody.
 */
#pragma once

#include "age.bpf.h"
#include "maps.bpf.h"
#include "swerve_abi.h"

#include <stdbool.h>

#define SENSE_MS 1000000ULL

enum {
	SENSE_CONNECT_LIMIT = 2,  /* connections in a row that failed */
	SENSE_TIMEOUT_LIMIT = 8,  /* that were not answered */
	SENSE_RESPONSE_LIMIT = 3, /* connections in a row closed without a response, if not set */
	SENSE_RATE_MIN = 10,      /* responses that are enough for a rate that ejects */
	SENSE_SHARE_MIN = 20,     /* and for one that changes the share of connections */
	SENSE_LOWER_AT = 20,      /* percent of responses that failed: half of its share … */
	SENSE_RAISE_BELOW = 10,   /* … until it is this */
	SENSE_SCAN = 32,          /* backends of a service that are looked at for the share */
	SENSE_LEVEL_MAX = 6,      /* 2^6 s is more than SENSE_EJECTION_MAX */
};

#define SENSE_HALF           (500 * SENSE_MS)  /* of the window of the rate, which moves on by it */
#define SENSE_WINDOW         (2 * SENSE_HALF)  /* without a failure nothing is counted any more */
#define SENSE_LOWERED        (5000 * SENSE_MS) /* at least, or it would be back and forth */
#define SENSE_STALE          (10000 * SENSE_MS) /* older failures are no longer "in a row" */
#define SENSE_QUIET          (900 * SENSE_MS) /* a SYN was sent a second before it counts as lost */
#define SENSE_SUSPECT        (100 * SENSE_MS) /* second choice, until the probe has answered */
#define SENSE_EJECTION_MIN   (1000 * SENSE_MS) /* the first, then twice as long each time */
#define SENSE_EJECTION_MAX   (60000 * SENSE_MS)
#define SENSE_DECAY          (10000 * SENSE_MS) /* of health: forgets one ejection */
#define SENSE_POISON_WITHIN  (1000 * SENSE_MS)
#define SENSE_POISON_PAUSE   (10000 * SENSE_MS)
#define SENSE_JUDGE          (10 * SENSE_MS) /* a lease that is older was left by a dead program */
#define SENSE_DOUBT_INTERVAL (100 * SENSE_MS)
#define SENSE_STRAY_INTERVAL (5 * SENSE_MS) /* userspace does not look more often, either */
#define SENSE_SUCCESS_STEP   (10 * SENSE_MS)

enum sense_success_kind {
	SENSE_CONNECTED,
	SENSE_ENDED,    /* something came from it, nobody knows what */
	SENSE_ANSWERED, /* with an HTTP status that is none of a failure */
};

/* What the failures of a backend are enough for. */
enum sense_action { SENSE_NOTHING, SENSE_LOWER, SENSE_EJECT };

/* One observation, and where it belongs. */
struct sense {
	struct sw_backend *backend;
	struct sw_backend_load *load;
	struct sw_service *service;
	__u64 now;
	__u32 index; /* of the backend */
	__u32 service_index;
	__u32 evidence; /* enum sw_evidence */
	__u32 status;   /* HTTP status; 0: none */
	__u32 action;   /* enum sense_action */
	__u32 first;    /* 1: no failure came before it within the window */
};

/* By its indices. */
static __always_inline bool sense_look_up(struct sense *sense)
{
	sense->backend = bpf_map_lookup_elem(&sw_backends, &sense->index);
	sense->load = bpf_map_lookup_elem(&sw_backend_load, &sense->index);
	sense->service = bpf_map_lookup_elem(&sw_services, &sense->service_index);
	return sense->backend && sense->load && sense->service;
}

/* False if the backend that the socket got is gone: then there is nobody to blame. */
static __always_inline bool sense_find(const struct sw_socket *socket, struct sense *ret)
{
	ret->index = socket->backend;
	ret->service_index = socket->service;
	return sense_look_up(ret) && ret->backend->generation == socket->generation &&
	       ret->backend->service == socket->service;
}

static __always_inline void sense_tell(const struct sense *sense, __u32 kind, __u64 until)
{
	struct sw_event *event = bpf_ringbuf_reserve(&sw_events, sizeof(*event), 0);

	/* A full buffer loses it: userspace finds ejections in sw_backends, too. */
	if (!event)
		return;
	event->kind = kind;
	event->evidence = sense->evidence;
	event->backend = sense->index;
	event->generation = sense->backend->generation;
	event->service = sense->service_index;
	event->status = sense->status;
	event->time = sense->now;
	event->until = until;
	bpf_ringbuf_submit(event, 0);
}

/* The same for events that each failure could cause: not all of them are worth telling. */
static __always_inline void sense_tell_seldom(const struct sense *sense, __u32 kind)
{
	if (!is_past(sense->now, sense->load->last_doubt, SENSE_DOUBT_INTERVAL))
		return;
	sense->load->last_doubt = sense->now;
	sense_tell(sense, kind, 0);
}

/* Each request on such a connection fails until userspace has closed it. */
static __always_inline void sense_tell_stray(const struct sense *sense)
{
	if (!is_past(sense->now, sense->load->last_stray, SENSE_STRAY_INTERVAL))
		return;
	sense->load->last_stray = sense->now;
	sense_tell(sense, SW_EVENT_STRAY, 0);
}

static __always_inline bool sense_is_connect(__u32 evidence)
{
	return evidence == SW_EVIDENCE_REFUSED || evidence == SW_EVIDENCE_UNREACHABLE ||
	       evidence == SW_EVIDENCE_TIMEOUT || evidence == SW_EVIDENCE_NO_PORT;
}

static __always_inline bool sense_probes_pass(const struct sw_backend *backend)
{
	return backend->health == SW_HEALTH_UNKNOWN || backend->health == SW_HEALTH_UP;
}

/*
 * Counts the failure; true if that is enough. On a network that loses packets, unanswered connections
 * are in a row now and then, and behind a firewall of its own one client has nothing else: so all
 * clients have to agree. The first one made swerved probe at once; a probe decides sooner.
 */
static __always_inline bool sense_count_connect(const struct sense *sense)
{
	__u32 failures;

	__sync_fetch_and_add(&sense->load->connect_failures, 1);
	failures = *(volatile __u32 *)&sense->load->connect_failures;
	if (sense->evidence != SW_EVIDENCE_TIMEOUT)
		return failures >= SENSE_CONNECT_LIMIT;
	return failures >= SENSE_TIMEOUT_LIMIT &&
	       is_past(sense->now, sense->load->last_success, SENSE_QUIET);
}

/* The half of the window that it is now. Who begins it on two CPUs at once may lose a count. */
static __always_inline struct sw_half *sense_half(const struct sense *sense)
{
	__u32 number = sense->now / SENSE_HALF;
	struct sw_half *half = &sense->load->window[number & 1];

	if (half->number != number) {
		half->good = 0;
		half->failed = 0;
		half->number = number;
	}
	return half;
}

/* Responses within the window. */
struct sense_rate {
	__u32 all;
	__u32 failed;
};

static __always_inline struct sense_rate sense_rate(const struct sw_backend_load *load, __u64 at)
{
	__u32 number = at / SENSE_HALF;
	struct sense_rate rate = {};

	for (int i = 0; i < 2; i++) {
		const volatile struct sw_half *half = &load->window[i];
		__u32 failed = half->failed;

		/* Another CPU may have begun the next one. */
		if ((__s32)(number - half->number) > 1)
			continue;
		rate.all += half->good + failed;
		rate.failed += failed;
	}
	return rate;
}

/*
 * The first failure for a while does not count: it is the reason to look, and would make each rate
 * one failure worse than the truth.
 */
static __always_inline __u32 sense_count_rate(const struct sense *sense)
{
	struct sense_rate rate;

	if (sense->first)
		return SENSE_NOTHING;
	__sync_fetch_and_add(&sense_half(sense)->failed, 1);
	rate = sense_rate(sense->load, sense->now);
	if (rate.all >= SENSE_RATE_MIN && rate.failed * 2 >= rate.all)
		return SENSE_EJECT;
	if (rate.all >= SENSE_SHARE_MIN && rate.failed * 100 >= rate.all * SENSE_LOWER_AT &&
	    !sense->backend->lowered)
		return SENSE_LOWER;
	return SENSE_NOTHING;
}

static __always_inline __u32 sense_count_response(struct sense *sense)
{
	__u32 limit = sense->service->policy.outlier_5xx;
	__u32 action = sense_count_rate(sense);

	__sync_fetch_and_add(&sense->load->response_failures, 1);
	if (*(volatile __u32 *)&sense->load->response_failures >=
	    (limit ? limit : SENSE_RESPONSE_LIMIT))
		return SENSE_EJECT;
	if (action != SENSE_NOTHING)
		sense->evidence = SW_EVIDENCE_RATE;
	return action;
}

static __always_inline void sense_reset(struct sw_backend_load *load)
{
	load->connect_failures = 0;
	load->response_failures = 0;
	load->window[0].number = 0;
	load->window[1].number = 0;
}

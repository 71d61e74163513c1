/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What connections show of their backends: counts failures and takes a backend out. The core,
 * without a context: the hooks are in sense.bpf.c, and programs that hold packets back before TCP
 * sees them (rescue) call sense_failure() themselves.
 *
 * A refused connection is a fact; it takes a backend out while any other one is left. Everything
 * else may be the network, or the request: it never takes out more than half of the backends of a
 * service, and when several of them fail within a second although probes reach them, it is the
 * requests that are to blame, and nobody is out.
 *
 * On many CPUs: counters are atomic adds that are read afterwards, so the one that reaches the limit
 * is seen by somebody. There is no compare-and-exchange before Linux 5.12 (nor in -mcpu=v2), so the
 * judgement is guarded by a lease that is taken under a spin lock: under the lock itself no map can
 * be read. Who does not get it goes away; the count stays, and the next failure judges.
 */
#pragma once

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

enum sense_success_kind { SENSE_CONNECTED, SENSE_ANSWERED };

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
	if (sense->now - sense->load->last_doubt < SENSE_DOUBT_INTERVAL)
		return;
	sense->load->last_doubt = sense->now;
	sense_tell(sense, kind, 0);
}

/* Each request on such a connection fails until userspace has closed it. */
static __always_inline void sense_tell_stray(const struct sense *sense)
{
	if (sense->now - sense->load->last_stray < SENSE_STRAY_INTERVAL)
		return;
	sense->load->last_stray = sense->now;
	sense_tell(sense, SW_EVENT_STRAY, 0);
}

static __always_inline bool sense_is_connect(__u32 evidence)
{
	return evidence == SW_EVIDENCE_REFUSED || evidence == SW_EVIDENCE_UNREACHABLE ||
	       evidence == SW_EVIDENCE_TIMEOUT;
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
	       sense->now - sense->load->last_success > SENSE_QUIET;
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

static __always_inline struct sense_rate sense_rate(const struct sense *sense)
{
	__u32 number = sense->now / SENSE_HALF;
	struct sense_rate rate = {};

	for (int i = 0; i < 2; i++) {
		const volatile struct sw_half *half = &sense->load->window[i];
		__u32 age = number - half->number, failed = half->failed;

		if (age > 1)
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
	rate = sense_rate(sense);
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

/* Counts one slot of the service in *outlier. */
static __noinline int sense_tally_slot(__u32 service, struct sw_outlier *outlier, __u32 slot_index)
{
	struct sw_backend_load *load;
	struct sw_backend *backend;
	struct sw_slot *slot;
	__u32 index;

	if (!outlier)
		return 0;
	slot = bpf_map_lookup_elem(&sw_slots, &slot_index);
	if (!slot)
		return 0;
	index = slot->backend;
	backend = bpf_map_lookup_elem(&sw_backends, &index);
	load = bpf_map_lookup_elem(&sw_backend_load, &index);
	if (!backend || !load || backend->service != service)
		return 0;
	outlier->ready++;
	if (index == outlier->backend)
		return 0;
	if (backend->ejected_until > outlier->now) {
		outlier->out += load->evidence != SW_EVIDENCE_REFUSED;
	} else if (sense_probes_pass(backend)) {
		outlier->usable++;
		outlier->lowered += backend->lowered;
	}
	return 0;
}

/*
 * How the backends of a service are, by a sample if they are many: evenly spread, since those that
 * are well are in front.
 */
static __always_inline void sense_tally(__u32 service, __u32 base, __u32 n,
					struct sw_outlier *outlier)
{
	__u32 step = (n + SENSE_SCAN - 1) / SENSE_SCAN;

	outlier->ready = 0;
	outlier->usable = 0;
	outlier->out = 0;
	outlier->lowered = 0;
	for (__u32 i = 0; i < SENSE_SCAN && i * step < n; i++)
		sense_tally_slot(service, outlier, base + i * step);
}

/* Whether enough is left without it, by the tally. */
static __always_inline bool sense_can_be_spared(const struct sense *sense,
						const struct sw_outlier *outlier)
{
	__u32 out = outlier->out + (sense->action == SENSE_LOWER ? outlier->lowered : 0);

	if (!outlier->usable)
		return false;
	if (sense->evidence == SW_EVIDENCE_REFUSED)
		return true;
	return out == 0 || (out + 1) * 2 <= outlier->ready;
}

/* 1 s, 2 s, … 60 s, and up to half as much again, so that not all come back at once. */
static __always_inline __u64 sense_ejection_time(const struct sense *sense)
{
	struct sw_backend_load *load = sense->load;
	__u64 last = sense->backend->ejected_until, decay = 0, time;
	__u32 level = load->ejections;

	if (sense->now > last)
		decay = (sense->now - last) / SENSE_DECAY;
	level = level > decay ? level - decay : 0;
	if (level > SENSE_LEVEL_MAX)
		level = SENSE_LEVEL_MAX;
	load->ejections = level + 1;
	time = SENSE_EJECTION_MIN << level;
	if (time > SENSE_EJECTION_MAX)
		time = SENSE_EJECTION_MAX;
	return time + (((time / 2 >> 8) * (bpf_get_prandom_u32() >> 8)) >> 16);
}

static __always_inline void sense_eject(const struct sense *sense)
{
	__u64 until = sense->now + sense_ejection_time(sense);

	sense_reset(sense->load);
	sense->load->evidence = sense->evidence;
	sense->load->status = sense->status;
	sense->backend->lowered = 0;
	sense->backend->trial = SW_TRIAL_DUE;
	sense->backend->ejected_until = until;
	__sync_fetch_and_add(&sense->service->ejections, 1);
	sense_tell(sense, SW_EVENT_EJECTED, until);
}

/* Half of its share, as long as its responses are like that. */
static __always_inline void sense_lower(const struct sense *sense)
{
	sense->load->lowered_at = sense->now;
	sense->backend->lowered = 1;
	sense_tell(sense, SW_EVENT_LOWERED, 0);
}

static __always_inline void sense_raise(const struct sense *sense)
{
	sense->backend->lowered = 0;
	sense_tell(sense, SW_EVENT_RAISED, 0);
}

/*
 * Another backend of the service reached a limit by its responses within a second, and probes of
 * both pass: "most causes of failures are the requests themselves" (HAProxy's manual).
 */
static __always_inline bool sense_is_poison(const struct sense *sense,
					    const struct sw_outlier *outlier)
{
	__u32 other = outlier->tripped;
	struct sw_backend *backend;

	if (!other || other == sense->index ||
	    sense->now - outlier->tripped_at > SENSE_POISON_WITHIN)
		return false;
	backend = bpf_map_lookup_elem(&sw_backends, &other);
	return backend && backend->service == sense->service_index && sense_probes_pass(backend) &&
	       sense_probes_pass(sense->backend);
}

static __always_inline void sense_poison(const struct sense *sense, struct sw_outlier *outlier)
{
	__u64 until = sense->now + SENSE_POISON_PAUSE;
	__u32 other = outlier->tripped;
	struct sw_backend *backend = bpf_map_lookup_elem(&sw_backends, &other);

	if (backend && backend->service == sense->service_index) {
		backend->trial = SW_TRIAL_NONE;
		backend->ejected_until = 0;
	}
	sense->backend->trial = SW_TRIAL_NONE;
	sense->backend->ejected_until = 0;
	outlier->tripped = 0;
	sense->service->spared_until = until;
	sense_tell(sense, SW_EVENT_POISON, until);
}

/* Who holds the lease decides: eject, lower, spare, or find that the requests are to blame. */
static __always_inline void sense_decide(const struct sense *sense, struct sw_outlier *outlier)
{
	bool eject = sense->action == SENSE_EJECT;
	bool response = !sense_is_connect(sense->evidence);

	/* Somebody else may have ejected it while this program waited. */
	if (sense->backend->trial == SW_TRIAL_DUE && sense->now < sense->backend->ejected_until)
		return;
	if (response && eject && sense_is_poison(sense, outlier)) {
		sense_poison(sense, outlier);
		return;
	}
	if (response && eject) {
		outlier->tripped = sense->index;
		outlier->tripped_at = sense->now;
	}
	if (!sense_can_be_spared(sense, outlier)) {
		if (eject)
			sense_tell_seldom(sense, SW_EVENT_SPARED);
	} else if (eject) {
		sense_eject(sense);
	} else {
		sense_lower(sense);
	}
}

static __always_inline bool sense_lease(const struct sense *sense, struct sw_outlier *outlier)
{
	__u64 until = sense->now + SENSE_JUDGE;
	bool mine;

	bpf_spin_lock(&outlier->lock);
	mine = outlier->busy_until <= sense->now;
	if (mine)
		outlier->busy_until = until;
	bpf_spin_unlock(&outlier->lock);
	return mine;
}

/*
 * What is judged waits in the map while the others are counted, and not on the stack: what the
 * verifier does not know it need not follow through each round of that loop.
 */
static __always_inline void sense_write_down(const struct sense *sense, struct sw_outlier *outlier)
{
	outlier->now = sense->now;
	outlier->backend = sense->index;
	outlier->evidence = sense->evidence;
	outlier->status = sense->status;
	outlier->action = sense->action;
}

static __always_inline bool sense_read_again(const struct sw_outlier *outlier, __u32 service,
					     struct sense *ret)
{
	ret->service_index = service;
	ret->now = outlier->now;
	ret->index = outlier->backend;
	ret->evidence = outlier->evidence;
	ret->status = outlier->status;
	ret->action = outlier->action;
	return sense_look_up(ret);
}

static __always_inline void sense_judge(const struct sense *sense)
{
	__u32 index = sense->service_index;
	struct sw_outlier *outlier = bpf_map_lookup_elem(&sw_outlier, &index);
	struct sense judged = {};

	if (!outlier || !sense_lease(sense, outlier))
		return;
	sense_write_down(sense, outlier);
	sense_tally(index, sense->service->slot_base, sense->service->ready, outlier);
	if (sense_read_again(outlier, index, &judged))
		sense_decide(&judged, outlier);
	outlier->busy_until = 0;
}

/*
 * A probe was let in when clients were not: it is a firewall of theirs (a NetworkPolicy that rejects),
 * and the others are not to lose the backend for it.
 */
static __always_inline bool sense_is_excused(const struct sense *sense)
{
	return sense->now < sense->load->excused_until &&
	       (sense->evidence == SW_EVIDENCE_REFUSED ||
		sense->evidence == SW_EVIDENCE_UNREACHABLE);
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
	sense.first = sense.now - sense.load->last_failure > SENSE_WINDOW;
	if (sense.now - sense.load->last_failure > SENSE_STALE)
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

	if (sense->now - sense->load->lowered_at <= SENSE_LOWERED)
		return false;
	rate = sense_rate(sense);
	return sense->now - sense->load->last_failure > SENSE_WINDOW ||
	       (rate.all >= SENSE_SHARE_MIN && rate.failed * 100 < rate.all * SENSE_RAISE_BELOW);
}

static __always_inline void sense_count_success(const struct sense *sense)
{
	struct sw_backend_load *load = sense->load;

	if (load->response_failures)
		load->response_failures = 0;
	if (sense->now - load->last_failure <= SENSE_WINDOW)
		__sync_fetch_and_add(&sense_half(sense)->good, 1);
	if (sense->backend->lowered && sense_is_better(sense))
		sense_raise(sense);
	if (sense->now - load->last_success > SENSE_SUCCESS_STEP)
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

/* The connection was made (SENSE_CONNECTED), or a response came that is none of a failure. */
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
	if (kind == SENSE_ANSWERED)
		sense_count_success(&sense);
	if (sense.backend->trial)
		sense_end_trial(&sense, kind);
	return 0;
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

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a backend whose failures are enough is taken out: not if too few others are left, nor if the
 * requests are to blame.
 *
 * There is no compare-and-exchange before Linux 5.12 (nor in -mcpu=v2), so the judgement is guarded by
 * a lease that is taken under a spin lock: under the lock itself no map can be read. Who does not get
 * it goes away; the count stays, and the next failure judges.
 */
#pragma once

#include "sense_count.bpf.h"

/*
 * Whether applications had answers from it lately, and hardly any failure: the last one was good, and
 * of those since the first failure within the window few failed.
 */
static __always_inline bool sense_is_well(const struct sw_backend_load *load, __u64 at)
{
	struct sense_rate rate;

	if (load->response_failures || is_past(at, load->last_success, SENSE_WINDOW))
		return false;
	if (is_past(at, load->last_failure, SENSE_WINDOW))
		return true;
	rate = sense_rate(load, at);
	/* The first failure is not among them. */
	return (rate.failed + 1) * 100 < (rate.all + 1) * SENSE_RAISE_BELOW;
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
		outlier->well += sense_is_well(load, outlier->now);
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
	outlier->well = 0;
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

/* Whether at least half of the others answer what they are asked, by the tally. */
static __always_inline bool sense_others_are_well(const struct sw_outlier *outlier)
{
	return outlier->well && outlier->well * 2 >= outlier->usable;
}

/*
 * Another backend of the service reached a limit by its responses within a second, probes of both
 * pass, and the others are no better: "most causes of failures are the requests themselves" (HAProxy's
 * manual). If they are, as with some pods of a bad release, it is these that are to blame.
 */
static __always_inline bool sense_is_poison(const struct sense *sense,
					    const struct sw_outlier *outlier)
{
	__u32 other = outlier->tripped;
	struct sw_backend *backend;

	if (!other || other == sense->index ||
	    is_past(sense->now, outlier->tripped_at, SENSE_POISON_WITHIN) ||
	    sense_others_are_well(outlier))
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "health/target.h"

#include "base/container_of.h"
#include "base/duration.h"

#include <netinet/in.h>

/* Weight of a probe in the mean interval. */
enum { INTERVAL_SHARE = 64 };

#define PROBE_ANYWAY NSEC_PER_SEC

/* SplitMix64 (Steele, Lea, Flood 2014). Good enough to spread probes, nothing else depends on it. */
static uint64_t random_next(struct health *health)
{
	uint64_t z = health->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

bool target_is_probed(const struct target *target)
{
	return target->spec->kind != PROBE_NONE &&
	       (target->what.proto == IPPROTO_TCP || target->spec->port ||
		target->spec->kind == PROBE_DNS);
}

void target_report(struct target *target, enum health_state from, const char *detail)
{
	struct health *health = target->health;
	const struct health_change change = {
		.id = target->what.id,
		.from = from,
		.to = target->fsm.state,
		.verdict = target->fsm.last,
		.detail = detail,
	};

	health->fn(health->arg, &change);
}

void target_forget(struct target *target, const char *why)
{
	enum health_state from = target->fsm.state;

	target->slow = 0;
	if (from == HEALTH_UNKNOWN)
		return;
	health_fsm_init(&target->fsm, HEALTH_UNKNOWN);
	target->view.since = loop_now(target->health->loop);
	target_report(target, from, why);
}

/* A doubt is cleared also when nobody asks. */
static bool target_is_idle(const struct target *target)
{
	return !health_demand_has(&target->demand) && target->why != NEXT_NOW &&
	       target->why != NEXT_FAST;
}

static enum queue_order target_order(const struct target *target)
{
	if (target->why == NEXT_NOW || target->why == NEXT_FAST)
		return QUEUE_URGENT;
	return target_is_idle(target) ? QUEUE_IDLE : QUEUE_NORMAL;
}

static struct health_pace target_pace(const struct target *target)
{
	return (struct health_pace){
		.interval = health_latency_interval(&target->latency, target->spec),
		.fast = target->spec->fast,
		.slow = target->health->config.slow,
	};
}

/* Where packets get lost, a few answers that came in time say little of how late the next may be. */
static bool target_may_be_hurried(const struct target *target)
{
	uint8_t fall = target->spec->fall;

	return health_latency_is_known(&target->latency) ||
	       health_noise_fall(fall, &target->noise, &target->health->noise) == fall;
}

/*
 * Only what is well is expected to be as fast as it was. Whoever is to come back is given the whole
 * time, so that one that got slow comes back, and is known for slow from then on; also who is only spared.
 */
static uint64_t target_timeout(const struct target *target)
{
	struct health *health = target->health;
	uint64_t timeout = target->spec->timeout, floor = health->config.min_timeout;
	enum health_state state = target->fsm.state;
	bool silent = state == HEALTH_SUSPECT && target->fsm.last == VERDICT_AMBIGUOUS;
	bool out = state == HEALTH_DOWN || state == HEALTH_RECOVERING;

	if (!target_may_be_hurried(target))
		timeout = target->spec->timeout;
	else if (silent && target->held == GUARD_FALL)
		timeout = health_latency_confirm(&target->latency, target->spec, floor);
	else if (!silent && !out)
		timeout = health_latency_timeout(&target->latency, target->spec, floor);
	return timeout * health_lag_factor(&health->lag, loop_now(health->loop));
}

int target_schedule(struct target *target, enum health_next next)
{
	struct health *health = target->health;
	uint64_t now = loop_now(health->loop), random = random_next(health), due;
	struct health_pace pace = target_pace(target);

	if (target->doubted)
		next = NEXT_NOW;
	target->doubted = false;
	target->why = next;
	if (target_is_idle(target))
		due = health_schedule_idle(&pace, health_demand_idle(health->demand),
					   target->started, now, random);
	else
		due = health_schedule_next(&pace, next, target->slow, target->started, now, random);
	target->slow = next == NEXT_SLOW ? target->slow + 1 : 0;
	return loop_timer_arm(health->loop, &target->timer, due);
}

void target_doubt(struct target *target)
{
	struct loop *loop = target->health->loop;

	if (!target_is_probed(target) || target->fsm.state == HEALTH_DOWN)
		return;
	if (probe_is_under_way(&target->probe)) {
		target->doubted = true;
		return;
	}
	target->why = NEXT_NOW;
	if (target->entry.queue)
		health_queue_move(&target->entry, target_order(target));
	else /* its timer is armed, so that needs no memory */
		loop_timer_arm(loop, &target->timer, loop_now(loop));
}

/* What is well and in demand shows how far apart probes really are. */
static void target_measure(struct target *target, uint64_t now)
{
	uint64_t *mean = &target->health->totals.interval;
	uint64_t interval = now - target->started;

	if (health_latency_is_young(&target->latency) || target->why != NEXT_INTERVAL ||
	    target->spared || target_is_idle(target))
		return;
	if (!*mean)
		*mean = interval;
	*mean = *mean - *mean / INTERVAL_SHARE + interval / INTERVAL_SHARE;
}

void target_start(struct queue_entry *entry)
{
	struct target *target = container_of(entry, struct target, entry);
	uint64_t now = loop_now(target->health->loop);
	struct probe_result result;
	int r;

	target_measure(target, now);
	target->spared = false;
	target->started = now;
	r = probe_start(&target->probe, target->spec, &target->what.addr,
			target->spec->port ? target->spec->port : target->what.port,
			target_timeout(target));
	if (!r)
		return;
	result = probe_failed(r, target->probe.timeout);
	target_finish(target, &result);
}

/*
 * Whether an application had an answer just now, when a probe is due: that says as much, once probes have
 * said how fast it is. Once a second it is probed all the same, since traffic says nothing of what was not
 * asked. Moves the probe to when there will have been no answer for a while, so that silence is noticed
 * sooner than without traffic.
 */
static bool target_is_vouched_for(struct target *target, uint64_t now)
{
	const uint64_t *answered = target->spec->kind == PROBE_TCP ? target->what.last_success
								   : target->what.last_good;
	uint64_t last = answered ? __atomic_load_n(answered, __ATOMIC_RELAXED) : 0;
	struct health_pace pace = target_pace(target);
	uint64_t due = health_schedule_quiet(&pace, last);

	if (!last || !health_latency_is_known(&target->latency) || target->fsm.state != HEALTH_UP ||
	    target->why != NEXT_INTERVAL || due <= now || target->started + PROBE_ANYWAY <= now)
		return false;
	if (due > target->started + PROBE_ANYWAY)
		due = target->started + PROBE_ANYWAY;
	return !loop_timer_arm(target->health->loop, &target->timer, due);
}

void target_on_timer(struct loop_timer *timer, uint64_t now)
{
	struct target *target = container_of(timer, struct target, timer);

	if (target_is_probed(target) && target_is_vouched_for(target, now)) {
		target->spared = true;
		target->view.spared++;
		target->health->totals.spared++;
		return;
	}
	if (target_is_probed(target))
		health_queue_add(&target->health->queue, &target->entry, target_order(target));
	else
		target_forget(target, "not probed");
}

void target_announce(struct target *target)
{
	struct health *health = target->health;

	if (target->announced || !health->wanted || !health_demand_has(&target->demand))
		return;
	target->announced = true;
	health->wanted(health->arg, target->what.id);
}

/* Its service is used again, after a pause or for the first time. */
void target_wake(void *arg, struct demand_member *member)
{
	struct target *target = container_of(member, struct target, demand);
	struct health *health = arg;

	target_announce(target);
	if (!target_is_probed(target) || probe_is_under_way(&target->probe))
		return;
	target->slow = 0;
	target->why = NEXT_UNSET;
	if (target->entry.queue)
		health_queue_move(&target->entry, target_order(target));
	else /* its timer is armed, so that needs no memory */
		loop_timer_arm(health->loop, &target->timer, loop_now(health->loop));
}

int target_begin(struct target *target)
{
	struct health *health = target->health;
	enum health_state state = target->fsm.state;
	uint64_t now = loop_now(health->loop);
	uint64_t due = now;

	target->why = NEXT_UNSET;
	if (!target_is_probed(target) && state == HEALTH_UNKNOWN)
		return 0;
	if (target_is_probed(target) && (state == HEALTH_UNKNOWN || state == HEALTH_UP))
		due = health_schedule_first(target->spec->interval, now, random_next(health));
	return loop_timer_arm(health->loop, &target->timer, due);
}

void target_rest(struct target *target)
{
	loop_timer_cancel(&target->timer);
	health_queue_remove(&target->entry);
	probe_stop(&target->probe);
}

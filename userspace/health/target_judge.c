/* SPDX-License-Identifier: Apache-2.0 */
#include "health/target.h"

#include "base/hashmap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void target_count(struct target *target, const struct probe_result *result, bool counts,
			 enum health_verdict verdict)
{
	struct health_totals *totals = &target->health->totals;
	struct health_view *view = &target->view;

	totals->probes++;
	totals->failures += counts && verdict != VERDICT_OK;
	totals->discarded += !counts;
	view->last_probe = loop_now(target->health->loop);
	view->latency = view->last_probe - target->started;
	view->probes++;
	view->failures += counts && verdict != VERDICT_OK;
	view->discarded += !counts;
	snprintf(view->detail, sizeof(view->detail), "%s", result->detail);
}

static bool is_news(const struct health_fsm *before, const struct health_fsm *after, bool first)
{
	if (before->state != after->state)
		return true;
	return after->state == HEALTH_DOWN &&
	       (first || (before->last == VERDICT_REFUSED) != (after->last == VERDICT_REFUSED));
}

/* Whoever asks for a number of failures gets it. */
static uint8_t target_fall(const struct target *target)
{
	if (probe_spec_has(target->spec, PROBE_FIELD_FALL))
		return target->spec->fall;
	return health_noise_fall(target->spec->fall, &target->noise, &target->health->noise);
}

/* A success says how much the failures before it were worth. */
static void target_learn(struct target *target)
{
	const struct health_fsm *fsm = &target->fsm;
	unsigned int failures =
		fsm->state == HEALTH_SUSPECT && fsm->last == VERDICT_AMBIGUOUS ? fsm->failures : 0;

	health_latency_add(&target->latency, target->view.latency);
	health_noise_add(&target->noise, failures);
	health_noise_add(&target->health->noise, failures);
}

static struct guard_witness witness_of(const struct target *target)
{
	return (struct guard_witness){
		.node = target->what.node,
		.addr = &target->what.addr,
		.silent_since = target->silent_since,
		.succeeds = target->fsm.last == VERDICT_OK && target->view.probes,
	};
}

/* An application had an answer while the probe had none. */
static bool traffic_succeeds(const struct target *target)
{
	const uint64_t *last = target->what.last_success;

	return last && __atomic_load_n(last, __ATOMIC_RELAXED) > target->started;
}

/*
 * Silence is no reason to doubt whom applications have answers from: as a second choice it would get
 * no traffic any more, and lose its witnesses.
 */
static bool is_vouched_for(const struct target *target, enum health_verdict verdict)
{
	enum health_state state = target->fsm.state;

	return verdict == VERDICT_AMBIGUOUS && (state == HEALTH_UP || state == HEALTH_UNKNOWN) &&
	       traffic_succeeds(target);
}

static enum guard_verdict weigh_silence(const struct target *target, const struct guard_pool *pool)
{
	struct guard_witness subject = witness_of(target);
	struct health_guard guard;

	if (traffic_succeeds(target))
		return GUARD_TRAFFIC;
	health_guard_begin(&guard, &subject);
	hashmap_foreach(target->health->targets, iter) {
		const struct target *other = iter.value;
		struct guard_witness witness = witness_of(other);

		if (other != target && target_is_probed(other) && health_demand_has(&other->demand))
			health_guard_add(&guard, &witness);
	}
	return health_guard_judge(&guard, pool, loop_now(target->health->loop));
}

static bool is_out(enum health_state state)
{
	return state == HEALTH_DOWN || state == HEALTH_RECOVERING;
}

/* What else there is to say about a verdict that would change something. */
static enum health_hold target_hold(struct target *target, const struct health_limits *limits,
				    enum health_verdict verdict)
{
	struct health *health = target->health;
	uint64_t now = loop_now(health->loop);
	bool returns = verdict == VERDICT_OK && is_out(target->fsm.state);
	bool falls = verdict == VERDICT_AMBIGUOUS && health_fsm_would_fall(&target->fsm, limits);
	bool flaps = returns && health_damping_holds(&target->damping, now);
	struct guard_pool pool;

	target->held = GUARD_FALL;
	if (returns && now < target->unsure_until)
		return HOLD_DOWN;
	if ((!falls && !flaps) || !health->pool ||
	    !health->pool(health->arg, target->what.id, &pool))
		return HOLD_NONE;
	if (falls)
		target->held = weigh_silence(target, &pool);
	if (falls)
		return target->held == GUARD_FALL ? HOLD_NONE : HOLD_SUSPECT;
	/* Who flaps is better than too few. */
	return pool.usable * 2 >= pool.ready ? HOLD_DOWN : HOLD_NONE;
}

/* Notes what the verdict led to. */
static void target_note(struct target *target, enum health_state before,
			enum health_verdict verdict)
{
	enum health_state after = target->fsm.state;
	uint64_t now = loop_now(target->health->loop);

	if (before != after)
		target->view.since = now;
	if (is_out(before) != is_out(after))
		health_damping_note(&target->damping, is_out(after), now);
	if (!is_out(after))
		target->out_silent = false;
	else if (verdict != VERDICT_OK)
		target->out_silent = verdict == VERDICT_AMBIGUOUS;
}

struct health_outlook target_outlook(const struct target *target)
{
	return (struct health_outlook){
		.probed = target_is_probed(target),
		.fsm = target->fsm,
		.limits = {.rise = target->spec->rise, .fall = target_fall(target)},
		.held = target->held,
		.held_until = target->damping.until,
		.unsure_until = target->unsure_until,
		.due = target->timer.loop ? target->timer.deadline : 0,
	};
}

/* Most backends never fail, and need no history. Without memory there is none. */
static void target_record(struct target *target, enum health_verdict verdict, const char *detail)
{
	if (!target->history && verdict != VERDICT_OK)
		target->history = calloc(1, sizeof(*target->history));
	if (target->history)
		health_history_add(target->history, verdict, detail,
				   loop_now(target->health->loop));
}

/* Feeds the state machine. The target may be gone when this returns. */
static void target_step(struct target *target, enum health_verdict verdict, const char *detail)
{
	struct health_limits limits = {.rise = target->spec->rise, .fall = target_fall(target)};
	const struct health_fsm before = target->fsm;
	bool first = target->view.probes == target->view.discarded + 1;
	enum health_next next;

	if (verdict != VERDICT_AMBIGUOUS)
		target->silent_since = 0;
	else if (!target->silent_since)
		target->silent_since = target->started;
	limits.hold = target_hold(target, &limits, verdict);
	next = health_fsm_step(&target->fsm, &limits, verdict);
	target_note(target, before.state, verdict);
	if (target_schedule(target, next) < 0)
		target_forget(target, "out of memory, not probed");
	else if (is_news(&before, &target->fsm, first))
		target_report(target, before.state, detail);
}

/* A doubt is not forgotten because a probe says nothing. */
static enum health_next next_without_verdict(const struct target *target)
{
	return target->fsm.state == HEALTH_SUSPECT ? NEXT_FAST : NEXT_INTERVAL;
}

void target_finish(struct target *target, const struct probe_result *result)
{
	uint64_t now = loop_now(target->health->loop);
	enum health_verdict verdict = VERDICT_OK;
	bool counts = probe_judge(result, &verdict);

	if (result->error == -ETIMEDOUT &&
	    (health_schedule_late(target->probe.timeout, target->started, now) ||
	     health_lag_slept(&target->health->lag, target->started, target->probe.timeout))) {
		health_lag_note(&target->health->lag, now);
		counts = false;
	}
	if (counts && is_vouched_for(target, verdict)) {
		health_noise_fail(&target->noise); /* not the node's: it may be its probe only */
		counts = false;
	}
	target_count(target, result, counts, verdict);
	if (counts && verdict == VERDICT_OK)
		target_learn(target);
	if (counts)
		target_record(target, verdict, result->detail);
	if (counts)
		target_step(target, verdict, result->detail);
	else if (target_schedule(target, next_without_verdict(target)) < 0)
		target_forget(target, "out of memory, not probed");
}

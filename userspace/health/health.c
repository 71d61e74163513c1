/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target that is probed is in one of three places: its timer is armed, it waits in the queue, or a
 * probe is under way; so probes of one target never overlap. Only timers start probes, the end of a
 * probe only arms the timer: a probe that is due at once starts in the next round, not from inside a
 * callback.
 *
 * The caller is told of a change last, as it may remove the target, or all of them, in that call.
 */
#include "health/health.h"

#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "base/hashmap.h"
#include "health/health_demand.h"
#include "health/health_latency.h"
#include "health/health_noise.h"
#include "health/health_queue.h"
#include "health/health_schedule.h"
#include "health/probe.h"
#include "health/spec_pool.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* How soon the first connection after a pause is noticed; with many services a little later. */
#define SCAN_INTERVAL  (20 * NSEC_PER_MSEC)
#define SCAN_PER_GROUP (3 * NSEC_PER_USEC)

/* Weight of a probe in the mean interval. */
enum { INTERVAL_SHARE = 64 };

const struct health_config HEALTH_CONFIG_DEFAULT = {
	.demand_ttl = 60 * NSEC_PER_SEC,
	.max_rate = 2000,
	.min_timeout = 50 * NSEC_PER_MSEC,
	.slow = NSEC_PER_SEC,
};

struct health {
	struct health_config config;
	struct loop *loop;
	struct http_client *client;
	health_change_fn *fn;
	health_wanted_fn *wanted; /* NULL: nobody is told */
	void *arg;
	struct spec_pool specs;
	struct hashmap *targets; /* by id; owns the values */
	uint64_t random;         /* state of random_next() */
	struct health_totals totals;
	struct health_noise noise; /* of all backends */
	struct health_demand *demand;
	struct health_queue queue;
	struct loop_timer scan;
	bool scanning; /* the timer is armed */
};

struct target {
	struct health *health;
	struct health_target what;
	const struct probe_spec *spec; /* shared, from health->specs */
	struct health_fsm fsm;
	struct health_latency latency;
	struct health_noise noise;
	struct health_view view; /* all but state and verdict, which are in fsm */
	struct demand_member demand;
	struct loop_timer timer;
	struct queue_entry entry;
	struct probe probe;
	uint64_t started;     /* when the last probe began */
	unsigned int slow;    /* NEXT_SLOW in a row */
	enum health_next why; /* the next probe is due */
	bool announced;       /* that it is wanted */
};

/* SplitMix64 (Steele, Lea, Flood 2014). Good enough to spread probes, nothing else depends on it. */
static uint64_t random_next(struct health *health)
{
	uint64_t z = health->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static bool target_is_probed(const struct target *target)
{
	return target->spec->kind != PROBE_NONE &&
	       (target->what.proto == IPPROTO_TCP || target->spec->port);
}

/* The target may be gone when this returns. */
static void target_report(struct target *target, enum health_state from, const char *detail)
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

/* Without probes there is no way back, so what was known may not count any more. */
static void target_forget(struct target *target, const char *why)
{
	enum health_state from = target->fsm.state;

	target->slow = 0;
	if (from == HEALTH_UNKNOWN)
		return;
	health_fsm_init(&target->fsm, HEALTH_UNKNOWN);
	target->view.since = loop_now(target->health->loop);
	target_report(target, from, why);
}

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

/*
 * Only what is well is expected to be as fast as it was. Whoever is to come back is given the whole
 * time, so that one that got slow comes back, and is known for slow from then on.
 */
static uint64_t target_timeout(const struct target *target)
{
	if (target->fsm.state == HEALTH_DOWN || target->fsm.state == HEALTH_RECOVERING)
		return target->spec->timeout;
	return health_latency_timeout(&target->latency, target->spec,
				      target->health->config.min_timeout);
}

/* Returns 0, or -ENOMEM of the loop. */
static int target_schedule(struct target *target, enum health_next next)
{
	struct health *health = target->health;
	uint64_t now = loop_now(health->loop), random = random_next(health), due;
	struct health_pace pace = target_pace(target);

	target->why = next;
	if (target_is_idle(target))
		due = health_schedule_idle(&pace, health_demand_idle(health->demand),
					   target->started, now, random);
	else
		due = health_schedule_next(&pace, next, target->slow, target->started, now, random);
	target->slow = next == NEXT_SLOW ? target->slow + 1 : 0;
	return loop_timer_arm(health->loop, &target->timer, due);
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

/* Feeds the state machine. The target may be gone when this returns. */
static void target_step(struct target *target, enum health_verdict verdict, const char *detail)
{
	const struct health_limits limits = {.rise = target->spec->rise,
					     .fall = target_fall(target)};
	const struct health_fsm before = target->fsm;
	bool first = target->view.probes == target->view.discarded + 1;
	enum health_next next = health_fsm_step(&target->fsm, &limits, verdict);

	if (before.state != target->fsm.state)
		target->view.since = loop_now(target->health->loop);
	if (target_schedule(target, next) < 0)
		target_forget(target, "out of memory, not probed");
	else if (is_news(&before, &target->fsm, first))
		target_report(target, before.state, detail);
}

/* The target may be gone when this returns. */
static void target_finish(struct target *target, const struct probe_result *result)
{
	uint64_t now = loop_now(target->health->loop);
	enum health_verdict verdict = VERDICT_OK;
	bool counts = probe_judge(result, &verdict);

	if (result->error == -ETIMEDOUT &&
	    health_schedule_late(target->probe.timeout, target->started, now))
		counts = false;
	target_count(target, result, counts, verdict);
	if (counts && verdict == VERDICT_OK)
		target_learn(target);
	if (counts)
		target_step(target, verdict, result->detail);
	else if (target_schedule(target, NEXT_INTERVAL) < 0)
		target_forget(target, "out of memory, not probed");
}

static void target_on_done(struct probe *probe, const struct probe_result *result)
{
	target_finish(container_of(probe, struct target, probe), result);
}

/* What is well and in demand shows how far apart probes really are. */
static void target_measure(struct target *target, uint64_t now)
{
	uint64_t *mean = &target->health->totals.interval;
	uint64_t interval = now - target->started;

	if (!target->view.probes || target->why != NEXT_INTERVAL || target_is_idle(target))
		return;
	if (!*mean)
		*mean = interval;
	*mean = *mean - *mean / INTERVAL_SHARE + interval / INTERVAL_SHARE;
}

static void target_start(struct queue_entry *entry)
{
	struct target *target = container_of(entry, struct target, entry);
	uint64_t now = loop_now(target->health->loop);
	struct probe_result result;
	int r;

	target_measure(target, now);
	target->started = now;
	r = probe_start(&target->probe, target->spec, &target->what.addr,
			target->spec->port ? target->spec->port : target->what.port,
			target_timeout(target));
	if (!r)
		return;
	result = probe_failed(r, target->probe.timeout);
	target_finish(target, &result);
}

static void target_on_timer(struct loop_timer *timer, uint64_t now)
{
	struct target *target = container_of(timer, struct target, timer);

	(void)now;
	if (target_is_probed(target))
		health_queue_add(&target->health->queue, &target->entry, target_order(target));
	else
		target_forget(target, "not probed");
}

static void target_announce(struct target *target)
{
	struct health *health = target->health;

	if (target->announced || !health->wanted || !health_demand_has(&target->demand))
		return;
	target->announced = true;
	health->wanted(health->arg, target->what.id);
}

/* Its service is used again, after a pause or for the first time. */
static void target_wake(void *arg, struct demand_member *member)
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

/* Begins with the schedule. Returns 0, or -ENOMEM of the loop. */
static int target_begin(struct target *target)
{
	struct health *health = target->health;
	enum health_state state = target->fsm.state;
	uint64_t now = loop_now(health->loop);
	struct health_pace pace = target_pace(target);
	uint64_t due = now;

	target->why = NEXT_UNSET;
	if (!target_is_probed(target) && state == HEALTH_UNKNOWN)
		return 0;
	if (target_is_probed(target) && (state == HEALTH_UNKNOWN || state == HEALTH_UP))
		due = health_schedule_first(&pace, now, random_next(health));
	return loop_timer_arm(health->loop, &target->timer, due);
}

static void target_rest(struct target *target)
{
	loop_timer_cancel(&target->timer);
	health_queue_remove(&target->entry);
	probe_stop(&target->probe);
}

static void target_free(struct target *target)
{
	target_rest(target);
	health_demand_leave(target->health->demand, &target->demand);
	spec_pool_put(&target->health->specs, target->spec);
	free(target);
}

static void cleanup_target(struct target **target)
{
	if (*target)
		target_free(*target);
}

static struct target *target_find(const struct health *health, uint32_t id)
{
	return hashmap_get(health->targets, &id, sizeof(id));
}

static uint64_t random_seed(const struct loop *loop)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed))
		return seed;
	return loop_now(loop);
}

static int arm_scan(struct health *health)
{
	uint64_t interval = SCAN_INTERVAL + health_demand_groups(health->demand) * SCAN_PER_GROUP;
	int r = loop_timer_arm(health->loop, &health->scan, loop_now(health->loop) + interval);

	health->scanning = !r;
	return r;
}

static void on_scan(struct loop_timer *timer, uint64_t now)
{
	struct health *health = container_of(timer, struct health, scan);

	health_demand_scan(health->demand, now, target_wake, health);
	health->scanning = false;
	if (health_demand_groups(health->demand))
		arm_scan(health); /* if that fails, the next backend that is added does it */
}

static void cleanup_health(struct health **health)
{
	health_free(*health);
}

int health_new(struct loop *loop, struct http_client *client, const struct health_config *config,
	       health_change_fn *fn, void *arg, struct health **ret)
{
	_cleanup_(cleanup_health) struct health *health = calloc(1, sizeof(*health));

	if (!health || hashmap_new(&health->targets) < 0 || spec_pool_init(&health->specs) < 0 ||
	    health_demand_new(config->demand_ttl, &health->demand) < 0)
		return -ENOMEM;
	health->config = *config;
	health->loop = loop;
	health->client = client;
	health->fn = fn;
	health->arg = arg;
	health->random = random_seed(loop);
	health->scan.fn = on_scan;
	health_queue_init(&health->queue, loop, config->max_rate, target_start);
	*ret = TAKE_PTR(health);
	return 0;
}

void health_set_wanted(struct health *health, health_wanted_fn *fn)
{
	health->wanted = fn;
}

void health_free(struct health *health)
{
	if (!health)
		return;
	if (health->targets) {
		hashmap_foreach(health->targets, iter)
			target_free(iter.value);
	}
	hashmap_free(health->targets);
	spec_pool_done(&health->specs);
	health_demand_free(health->demand);
	loop_timer_cancel(&health->scan);
	health_queue_done(&health->queue);
	free(health);
}

static int target_new(struct health *health, const struct health_target *what,
		      const struct probe_spec *spec, struct target **ret)
{
	_cleanup_(cleanup_target) struct target *target = calloc(1, sizeof(*target));
	int r;

	if (!target)
		return -ENOMEM;
	target->health = health;
	target->what = *what;
	r = spec_pool_get(&health->specs, spec, &target->spec);
	if (r < 0)
		return r;
	target->view.since = loop_now(health->loop);
	target->timer.fn = target_on_timer;
	target->probe.loop = health->loop;
	target->probe.client = health->client;
	target->probe.done = target_on_done;
	health_fsm_init(&target->fsm, what->initial);
	r = health_demand_join(health->demand, &target->demand, what->last_used,
			       loop_now(health->loop));
	if (r < 0)
		return r;
	*ret = TAKE_PTR(target);
	return 0;
}

int health_add(struct health *health, const struct health_target *what,
	       const struct probe_spec *spec)
{
	_cleanup_(cleanup_target) struct target *target = NULL;
	int r;

	if (target_find(health, what->id))
		return -EEXIST;
	r = target_new(health, what, spec, &target);
	if (!r)
		r = target_begin(target);
	if (!r && target->demand.group && !health->scanning)
		r = arm_scan(health);
	if (!r)
		r = hashmap_put(health->targets, &what->id, sizeof(what->id), target);
	if (r < 0)
		return r;
	target_announce(TAKE_PTR(target));
	return 0;
}

static bool spec_equal(const struct probe_spec *a, const struct probe_spec *b)
{
	return a->kind == b->kind && !strcmp(a->path, b->path) && !strcmp(a->host, b->host) &&
	       !strcmp(a->headers, b->headers) && !strcmp(a->grpc_service, b->grpc_service) &&
	       a->port == b->port && a->rise == b->rise && a->fall == b->fall &&
	       a->interval == b->interval && a->fast == b->fast && a->timeout == b->timeout &&
	       a->given == b->given;
}

int health_set_spec(struct health *health, uint32_t id, const struct probe_spec *spec)
{
	struct target *target = target_find(health, id);
	const struct probe_spec *shared;
	int err;

	if (!target)
		return -ENOENT;
	if (spec_equal(target->spec, spec))
		return 0;
	err = spec_pool_get(&health->specs, spec, &shared);
	if (err)
		return err;
	target_rest(target);
	spec_pool_put(&health->specs, target->spec);
	target->spec = shared;
	target->latency = (struct health_latency){};
	target->slow = 0;
	return target_begin(target);
}

void health_remove(struct health *health, uint32_t id)
{
	struct target *target = hashmap_remove(health->targets, &id, sizeof(id));

	if (target)
		target_free(target);
}

struct health_totals health_totals(const struct health *health)
{
	struct health_totals totals = health->totals;

	totals.waited = health->queue.waited;
	totals.waiting = health->queue.waiting;
	totals.backends = hashmap_len(health->targets);
	totals.idle = health_demand_idle(health->demand);
	return totals;
}

int health_get(const struct health *health, uint32_t id, struct health_view *ret)
{
	const struct target *target = target_find(health, id);

	if (!target)
		return -ENOENT;
	*ret = target->view;
	ret->state = target->fsm.state;
	ret->verdict = target->fsm.last;
	return 0;
}

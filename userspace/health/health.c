/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health.h"

#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "base/hashmap.h"
#include "health/health_admission.h"
#include "health/target.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>

/* How soon the first connection after a pause is noticed; with many services a little later. */
#define SCAN_INTERVAL  (20 * NSEC_PER_MSEC)
#define SCAN_PER_GROUP (3 * NSEC_PER_USEC)

const struct health_config HEALTH_CONFIG_DEFAULT = {
	.demand_ttl = 60 * NSEC_PER_SEC,
	.max_rate = 2000,
	.min_timeout = 50 * NSEC_PER_MSEC,
	.slow = NSEC_PER_SEC,
};

static void target_on_done(struct probe *probe, const struct probe_result *result)
{
	target_finish(container_of(probe, struct target, probe), result);
}

static void target_free(struct target *target)
{
	target_rest(target);
	health_demand_leave(target->health->demand, &target->demand);
	spec_pool_put(&target->health->specs, target->spec);
	health_admission_free(target->admission);
	free(target->history);
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
	int r;

	health->scan_due = loop_now(health->loop) + interval;
	r = loop_timer_arm(health->loop, &health->scan, health->scan_due);

	health->scanning = !r;
	return r;
}

static void on_scan(struct loop_timer *timer, uint64_t now)
{
	struct health *health = container_of(timer, struct health, scan);

	health_lag_pulse(&health->lag, health->scan_due, now);
	health_demand_scan(health->demand, now, target_wake, health);
	health->scanning = false;
	if (hashmap_len(health->targets))
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

void health_set_pool(struct health *health, health_pool_fn *fn)
{
	health->pool = fn;
}

bool health_is_silent(const struct health *health, uint32_t id)
{
	const struct target *target = target_find(health, id);

	return target && target->out_silent;
}

bool health_fell_silent(const struct health *health, uint32_t id)
{
	const struct target *target = target_find(health, id);

	return target &&
	       (target->out_silent || target->held == GUARD_LAST || target->held == GUARD_HALF);
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
	target->unsure_until = target->view.since + what->unsure;
	target->timer.fn = target_on_timer;
	target->probe.loop = health->loop;
	target->probe.client = health->client;
	target->probe.done = target_on_done;
	target->probe.whole = what->proto != IPPROTO_TCP;
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
	if (!r && !health->scanning)
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

void health_release(struct health *health, uint32_t id)
{
	struct target *target = target_find(health, id);

	if (target)
		target->unsure_until = 0;
}

void health_doubt(struct health *health, uint32_t id)
{
	struct target *target = target_find(health, id);

	if (target)
		target_doubt(target);
}

void health_remove(struct health *health, uint32_t id)
{
	struct target *target = hashmap_remove(health->targets, &id, sizeof(id));

	if (target)
		target_free(target);
}

int health_admits(struct health *health, uint32_t id, uint64_t since)
{
	struct target *target = target_find(health, id);
	int err;

	if (!target || target->spec->kind == PROBE_NONE || target->what.proto != IPPROTO_TCP)
		return -ENOENT;
	if (target->admission && target->asked == since)
		return health_admission_result(target->admission);
	if (!health_queue_take(&health->queue))
		return -EAGAIN;
	health_admission_free(target->admission);
	target->admission = NULL;
	target->asked = since;
	err = health_admission_begin(health->loop, &target->what.addr, target->what.port,
				     target->spec->timeout, &target->admission);
	return err ? err : health_admission_result(target->admission);
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
	ret->outlook = target_outlook(target);
	ret->history = target->history;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing here decides anything: model, plan, health and datapath do. The agent moves values
 * between them, one slice of work at a time, so that probing is never held up.
 *
 * A service is planned when the source changed it, when the usability of one of its backends
 * changed (the order of its slots follows), and again when applying it did not fully succeed.
 */
#include "agent/agent.h"

#include "agent/agent_source.h"
#include "agent/backend_index.h"
#include "agent/down_conns.h"
#include "agent/health_log.h"
#include "agent/node_sync.h"
#include "agent/plan_log.h"
#include "agent/plan_queue.h"
#include "agent/pod_probes.h"
#include "agent/probing.h"
#include "agent/rescue_services.h"
#include "agent/sense.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "base/hashmap.h"
#include "base/histogram.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "datapath/dp_encode.h"
#include "health/health.h"
#include "health/kernel_health.h"
#include "loop/loop.h"
#include "model/model.h"
#include "model/plan.h"
#include "model/pod.h"
#include "net/http_client.h"
#include "rescue/rescue.h"
#include "status/health_check.h"
#include "status/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* How long one slice of planning may hold the loop up. */
#define SLICE              (2 * NSEC_PER_MSEC)
#define HEARTBEAT_INTERVAL NSEC_PER_SEC

struct agent {
	struct loop *loop;
	struct model *model;
	struct datapath *datapath;
	struct http_client *client;
	struct health *health;
	struct agent_source *source;
	struct status_context status_context;
	struct status *status;
	struct status *public_health;
	struct backend_index *backends;
	struct down_conns *conns;
	struct conn_policy conns_fallback; /* for Services whose annotations say nothing else */
	struct sense *sense;
	struct pod_probes *pod_probes;
	struct probing probing;
	struct rescue *rescue;
	struct plan_log *plan_log;
	struct node_sync *node_sync;
	struct health_checks *health_checks;
	struct plan_queue *again;
	struct loop_timer work;
	struct loop_timer heartbeat;
	struct histogram programming; /* from the arrival of a change to the kernel serving it */
	uint64_t arrived;             /* the oldest change that is not applied yet; 0: all are */
	uint64_t last_sync;           /* when the source last delivered a consistent state */
	bool synced;                  /* it has delivered everything once */
	bool applied;                 /* all of that was applied once */
	bool swept;
};

static void schedule_work(struct agent *agent)
{
	if (loop_timer_arm(agent->loop, &agent->work, loop_now(agent->loop)))
		log_error("out of memory: changes wait for the next heartbeat");
}

/* `name` begins with "namespace/name". */
static void plan_again(struct agent *agent, const char *name)
{
	if (plan_queue_add(agent->again, name))
		log_error("out of memory: service \"%s\" is not planned again", name);
	schedule_work(agent);
}

/* `info` may be NULL. Only who was out begins slowly, not everybody who is new. */
static void tell_kernel(struct agent *agent, const struct health_change *change,
			enum sw_health health, const struct backend_info *info)
{
	bool is_back = change->from == HEALTH_DOWN || change->from == HEALTH_RECOVERING;
	uint64_t now = loop_now(agent->loop);

	if (health == SW_HEALTH_UP && is_back && info)
		datapath_readmit(agent->datapath, change->id,
				 conn_policy_slow_start(&info->conns, &agent->conns_fallback), now);
	else
		datapath_set_health(agent->datapath, change->id, health, now);
}

static void on_health_change(void *arg, const struct health_change *change)
{
	struct agent *agent = arg;
	enum sw_health before = datapath_health(agent->datapath, change->id);
	enum sw_health after = kernel_health(change->to, change->verdict);
	const struct backend_info *info;

	info = backend_index_get(agent->backends, change->id);
	if (after != before)
		tell_kernel(agent, change, after, info);
	rescue_services_health(agent->rescue, change->id, before, after);
	if (!info)
		return;
	health_log_change(info, change, after);
	down_conns_note(agent->conns, change->id, after, change->verdict == VERDICT_AMBIGUOUS);
	if (kernel_health_is_usable(before) != kernel_health_is_usable(after))
		plan_again(agent, info->service);
}

static void on_sense_change(void *arg, const char *service)
{
	plan_again(arg, service);
}

/* A backend is in demand. */
static void on_wanted(void *arg, uint32_t backend)
{
	struct agent *agent = arg;

	probing_want(&agent->probing, backend);
}

static bool on_pool(void *arg, uint32_t backend, struct guard_pool *ret)
{
	const struct agent *agent = arg;

	return probing_pool(&agent->probing, backend, ret);
}

static void on_backend_change(void *arg, const struct plan_port *port,
			      const struct dp_backend_change *change)
{
	struct agent *agent = arg;
	bool silent;

	if (change->added) {
		probing_add(&agent->probing, port, change);
		sense_note(agent->sense, change->index);
		return;
	}
	silent = !change->terminating && health_fell_silent(agent->health, change->index);
	down_conns_gone(agent->conns, change->index, silent);
	probing_remove(&agent->probing, change->index);
}

/*
 * For the hand-over of frontends from one service to another. Who loses one that it still wants is planned
 * again until it has it back.
 */
static bool source_keeps(void *arg, const char *port_name, const struct sw_frontend_key *key,
			 enum plan_claim claim)
{
	struct agent *agent = arg;
	size_t len = dp_port_service_len(port_name);
	_cleanup_free_ char *namespace = strndup(port_name, len);
	char *slash = namespace ? strchr(namespace, '/') : NULL;
	struct plan_frontend frontend = dp_decode_frontend_key(key);
	struct plan plan = {};
	enum plan_claim own;

	if (!slash)
		return true;
	*slash = 0;
	if (plan_service(agent->model, namespace, slash + 1, &plan))
		return true;
	own = plan_claim(&plan, port_name, &frontend);
	plan_done(&plan);
	if (own >= claim)
		return true;
	if (own && plan_queue_add_later(agent->again, port_name))
		return true;
	return false;
}

/* A source that is broken in part may lack a service that was pinned before a restart. */
static bool may_be_the_broken_one(const struct agent *agent, const char *namespace,
				  const char *name, const char *service)
{
	return !model_service(agent->model, namespace, name) &&
	       !agent_source_is_whole(agent->source) &&
	       datapath_is_inherited(agent->datapath, service);
}

static bool is_serving(void *arg)
{
	const struct agent *agent = arg;

	return agent->applied;
}

static void set_health_check(struct agent *agent, const char *namespace, const char *name,
			     const struct plan *plan)
{
	int err = health_checks_set(agent->health_checks, namespace, name, plan->health_check_port,
				    plan->local_ready);

	if (err)
		log_error("load balancers can not ask for service \"%s/%s\" at port %u: %s, trying "
			  "again every second",
			  namespace, name, plan->health_check_port, strerror(-err));
}

static void plan_one(struct agent *agent, const char *namespace, const char *name)
{
	char service[PLAN_NAME_SIZE];
	struct datapath_result result = {};
	struct plan plan = {};
	int err;

	snprintf(service, sizeof(service), "%s/%s", namespace, name);
	if (may_be_the_broken_one(agent, namespace, name, service))
		return;
	err = plan_service(agent->model, namespace, name, &plan);
	if (!err)
		err = datapath_apply(agent->datapath, service, &plan, loop_now(agent->loop),
				     on_backend_change, agent, &result);
	else
		datapath_keep(agent->datapath, service);
	probing_update(&agent->probing, &plan);
	rescue_services_note(agent->rescue, service, &plan);
	if (!err)
		set_health_check(agent, namespace, name, &plan);
	if (!err && result.left_out)
		err = -ENOSPC;
	plan_log_result(agent->plan_log, service, err, plan.skipped, &result);
	if ((err || result.conflicts) && plan_queue_add_later(agent->again, service))
		log_error("out of memory: service \"%s\" is not tried again", service);
	plan_done(&plan);
}

static void on_local_addrs(void *arg)
{
	schedule_work(arg);
}

/* Plans one service. Returns 1, 0 if there is nothing to do, or -ENOMEM. */
static int work_one(struct agent *agent)
{
	_cleanup_free_ char *namespace = NULL, *name = NULL;
	int more = model_next_changed(agent->model, &namespace, &name);
	bool from_source = more > 0;

	if (!more) {
		agent->arrived = 0;
		more = plan_queue_next(agent->again, &namespace, &name);
	}
	if (more > 0)
		plan_one(agent, namespace, name);
	if (from_source && agent->arrived)
		histogram_add(&agent->programming, clock_now() - agent->arrived);
	return more;
}

/*
 * Everything that the source has was applied: what else is left from before a restart is gone. Not
 * so while the source is broken in part: a service that it lacks may just be the broken one.
 */
static void sweep(struct agent *agent)
{
	bool whole = agent_source_is_whole(agent->source), first = !agent->applied;
	int swept = whole ? datapath_sweep(agent->datapath, loop_now(agent->loop)) : 0;

	agent->applied = true;
	agent->swept = whole && swept >= 0;
	if (swept < 0)
		log_error("services that are gone could not be removed: %s", strerror(-swept));
	if (first && !whole)
		log_warn("the source is broken in part: services that it lacks stay as they were "
			 "pinned, until it can be read in full");
	if (first || swept > 0)
		log_info("serving %zu services, %zu ports, %zu frontends; removed %d port(s) that "
			 "are gone",
			 model_count(agent->model, OBJECT_SERVICE),
			 hashmap_len(datapath_table(agent->datapath)->ports),
			 hashmap_len(datapath_table(agent->datapath)->owners), swept);
}

static void on_work(struct loop_timer *timer, uint64_t now)
{
	struct agent *agent = container_of(timer, struct agent, work);
	int more;

	(void)now;
	/* Half of the objects would take away what a daemon before this one has pinned. */
	if (!agent->synced)
		return;
	node_sync_refresh(agent->node_sync, agent->model, agent->datapath, agent->health_checks);
	for (uint64_t until = clock_now() + SLICE; clock_now() < until;) {
		more = work_one(agent);
		if (more < 0) {
			log_error("out of memory: changes wait for the next heartbeat");
			return;
		}
		if (more)
			continue;
		if (!agent->swept)
			sweep(agent);
		return;
	}
	schedule_work(agent);
}

/* Moves what failed back to the work, and makes up for what a lack of memory held up. */
static void on_heartbeat(struct loop_timer *timer, uint64_t now)
{
	struct agent *agent = container_of(timer, struct agent, heartbeat);

	datapath_heartbeat(agent->datapath, now);
	health_checks_retry(agent->health_checks);
	plan_queue_release(agent->again);
	schedule_work(agent);
	if (loop_timer_arm(agent->loop, timer, now + HEARTBEAT_INTERVAL))
		log_error("out of memory: no more heartbeats");
}

/* The loop's time is when it woke up, so decoding counts. */
static void note_arrival(struct agent *agent)
{
	if (!agent->arrived)
		agent->arrived = loop_now(agent->loop);
}

/* What is probed in another way is planned again; that is rare. */
static void on_pod(struct agent *agent, const char *namespace, const char *name)
{
	size_t len;
	const uint32_t *backends = pod_probes_backends(agent->pod_probes, namespace, name, &len);

	for (size_t i = 0; i < len; i++)
		plan_again(agent, backend_index_get(agent->backends, backends[i])->service);
}

static void on_put(void *arg, struct object *object)
{
	struct agent *agent = arg;
	enum object_kind kind = object->kind;
	int err;

	if (kind == OBJECT_POD)
		on_pod(agent, object->pod->namespace, object->pod->name);
	else
		note_arrival(agent);
	err = model_put(agent->model, object);
	if (err)
		log_error("a %s is lost: %s", object_kind_to_str(kind), strerror(-err));
}

static void on_remove(void *arg, enum object_kind kind, const char *namespace, const char *name)
{
	struct agent *agent = arg;

	if (kind == OBJECT_POD)
		on_pod(agent, namespace, name);
	else
		note_arrival(agent);
	model_remove(agent->model, kind, namespace, name);
}

static void on_synced(void *arg)
{
	struct agent *agent = arg;

	agent->synced = true;
	agent->last_sync = clock_now();
	schedule_work(agent);
}

static int open_source(struct agent *agent, const struct agent_source_config *config,
		       struct dp_problem *problem)
{
	struct source_events events = {
		.put = on_put, .remove = on_remove, .synced = on_synced, .arg = agent};

	return agent_source_new(agent->loop, config, &events, &agent->source, problem);
}

static const char *status_target(void *arg, uint32_t backend)
{
	const struct agent *agent = arg;
	const struct backend_info *info = backend_index_get(agent->backends, backend);

	return info ? info->target : NULL;
}

static void status_progress(void *arg, struct status_progress *ret)
{
	const struct agent *agent = arg;
	struct down_conns_totals conns = down_conns_totals(agent->conns);
	struct sense_totals sense = sense_totals(agent->sense);

	*ret = (struct status_progress){.conns_closed = conns.closed,
					.udp_moved = conns.moved,
					.conn_errors = conns.errors,
					.ejections = sense.ejections,
					.spared = sense.spared,
					.excused = sense.excused,
					.poison = sense.poison,
					.synced = agent->synced,
					.applied = agent->applied,
					.eligible = model_node_is_eligible(agent->model),
					.last_sync = agent->last_sync,
					.away_since = agent_source_away_since(agent->source),
					.failing = plan_queue_waiting(agent->again)};
}

static int listen_at(struct agent *agent, const char *address, const char *option,
		     enum status_scope scope, struct status **ret, struct dp_problem *problem)
{
	int err =
		*address ? status_new(agent->loop, address, scope, &agent->status_context, ret) : 0;

	if (err)
		return dp_problem(problem, err,
				  "can not answer at \"%s\": %s; end what else does, or name "
				  "another address with %s.",
				  address, strerror(-err), option);
	return 0;
}

static int open_status(struct agent *agent, const struct agent_config *config,
		       struct dp_problem *problem)
{
	int err;

	agent->status_context = (struct status_context){.health = agent->health,
							.model = agent->model,
							.source = config->source.source,
							.started = loop_now(agent->loop),
							.programming = &agent->programming,
							.target = status_target,
							.progress = status_progress,
							.arg = agent};
	err = listen_at(agent, config->status_address, "--status-address", STATUS_ALL,
			&agent->status, problem);
	return err ? err
		   : listen_at(agent, config->health_address, "--health-address", STATUS_HEALTH,
			       &agent->public_health, problem);
}

static int make_parts(struct agent *agent, const struct agent_config *config)
{
	int err = model_new(config->node_name, config->node_ports, &agent->model);

	if (!err)
		model_set_retry_defaults(agent->model, &config->retry);
	if (!err)
		err = backend_index_new(&agent->backends);
	if (!err)
		err = pod_probes_new(agent->model, &config->health, &agent->pod_probes);
	if (!err)
		err = plan_log_new(&agent->plan_log);
	if (!err)
		err = plan_queue_new(&agent->again);
	if (!err)
		err = node_sync_new(agent->loop, on_local_addrs, agent, &agent->node_sync);
	if (!err)
		err = health_checks_new(agent->loop, is_serving, agent, &agent->health_checks);
	if (!err)
		err = http_client_new(agent->loop, &agent->client);
	if (!err)
		err = health_new(agent->loop, agent->client, &config->health.health,
				 on_health_change, agent, &agent->health);
	return err;
}

static int open_sense(struct agent *agent, const char *pin_dir)
{
	const struct sense_parts parts = {.loop = agent->loop,
					  .datapath = agent->datapath,
					  .health = agent->health,
					  .backends = agent->backends,
					  .conns = agent->conns,
					  .changed = on_sense_change,
					  .arg = agent};

	return sense_new(&parts, pin_dir, &agent->sense);
}

static void free_agent(struct agent **agent)
{
	agent_free(*agent);
}

int agent_new(struct loop *loop, const struct agent_config *config, struct agent **ret,
	      struct dp_problem *problem)
{
	struct datapath_config datapath = {.cgroup = config->cgroup, .pin_dir = config->pin_dir};
	_cleanup_(free_agent) struct agent *agent = calloc(1, sizeof(*agent));
	int err;

	if (!agent)
		return dp_problem(problem, -ENOMEM, "out of memory.");
	agent->loop = loop;
	agent->conns_fallback = config->health.conns;
	agent->work.fn = on_work;
	agent->heartbeat.fn = on_heartbeat;
	err = make_parts(agent, config);
	if (err)
		return dp_problem(problem, err, "can not start: %s.", strerror(-err));
	/* The datapath last: who can not start installs nothing. */
	err = open_source(agent, &config->source, problem);
	if (!err)
		err = open_status(agent, config, problem);
	if (!err)
		err = datapath_open(&datapath, &agent->datapath, problem);
	if (err)
		return err;
	datapath_set_keeps(agent->datapath, source_keeps, agent);
	agent->status_context.datapath = agent->datapath;
	err = down_conns_new(loop, agent->datapath, agent->backends, &config->health.conns,
			     &agent->conns);
	if (!err)
		err = open_sense(agent, config->pin_dir);
	if (!err)
		err = rescue_services_open(config, &agent->status_context, &agent->rescue);
	if (err)
		return dp_problem(problem, err, "can not start: %s.", strerror(-err));
	agent->probing = (struct probing){.datapath = agent->datapath,
					  .health = agent->health,
					  .backends = agent->backends,
					  .pod_probes = agent->pod_probes};
	health_set_wanted(agent->health, on_wanted);
	health_set_pool(agent->health, on_pool);
	if (agent_source_can_get_pods(agent->source))
		pod_probes_set_source(agent->pod_probes, agent->source);
	on_heartbeat(&agent->heartbeat, loop_now(loop));
	*ret = TAKE_PTR(agent);
	return 0;
}

void agent_free(struct agent *agent)
{
	if (!agent)
		return;
	loop_timer_cancel(&agent->work);
	loop_timer_cancel(&agent->heartbeat);
	status_free(agent->status);
	status_free(agent->public_health);
	agent_source_free(agent->source);
	sense_free(agent->sense);
	down_conns_free(agent->conns);
	rescue_free(agent->rescue);
	health_free(agent->health);
	http_client_free(agent->client);
	datapath_close(agent->datapath);
	pod_probes_free(agent->pod_probes);
	backend_index_free(agent->backends);
	plan_log_free(agent->plan_log);
	node_sync_free(agent->node_sync);
	health_checks_free(agent->health_checks);
	model_free(agent->model);
	plan_queue_free(agent->again);
	free(agent);
}

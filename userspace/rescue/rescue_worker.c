/* SPDX-License-Identifier: Apache-2.0 */
/* `lock` guards `orders`. Everything else is the thread's, from its start to its end. */
#include "rescue/rescue_worker.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/vec.h"
#include "datapath/dp_rescue.h"
#include "loop/loop.h"
#include "rescue/client_peer.h"
#include "rescue/rescue_connect.h"
#include "rescue/rescue_idle.h"
#include "rescue/rescue_job.h"
#include "rescue/tcp_segment.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#define HEARTBEAT_INTERVAL (100 * NSEC_PER_MSEC)
#define COUNT_INTERVAL     NSEC_PER_SEC

/* An entry that old was left behind by a socket that is gone. */
#define OUTSTANDING_LIMIT (1200 * NSEC_PER_SEC)

struct orders {
	bool stop;
	uint64_t scan;
	VEC(uint32_t) down; /* indices into sw_backends */
};

struct rescue_worker {
	struct loop *loop;
	struct dp_rescue *datapath;
	struct rescue_env env;
	bool env_made;
	struct loop_io records;
	struct loop_io wake;
	struct loop_timer heartbeat;
	struct loop_timer scan;
	struct loop_timer count;
	uint64_t scan_interval; /* 0: never */
	uint64_t now;           /* of a scan */
	bool warned;            /* about processes that are not seen */
	uint64_t beaten;        /* when the last sign of life was given */
	uint32_t down;          /* the backend that a scan is for; 0: for time-outs */
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	struct orders orders;
};

static void beat(struct rescue_worker *worker, uint64_t now)
{
	dp_rescue_heartbeat(worker->datapath, now);
	worker->beaten = now;
}

/* A round with many records takes long, but what is in them is not lost. */
static void beat_in_time(struct rescue_worker *worker)
{
	uint64_t now = clock_now();

	if (now >= worker->beaten + HEARTBEAT_INTERVAL)
		beat(worker, now);
}

static void on_record(void *arg, const struct sw_rescue *record, size_t size)
{
	struct rescue_worker *worker = arg;
	struct rescue_env *env = &worker->env;

	(void)size;
	if (worker->beaten)
		beat_in_time(worker);
	switch (record->kind) {
	case SW_RESCUE_REQUEST:
		rescue_job_report(env, record);
		break;
	case SW_RESCUE_CONNECT:
		rescue_connect_report(env, record);
		break;
	case SW_RESCUE_PROGRESS:
		rescue_connect_progress(env, record);
		rescue_job_progress(env, record);
		break;
	case SW_RESCUE_OVER:
		rescue_job_over(env, record);
		break;
	case SW_RESCUE_IDLE:
		rescue_idle_report(env, record);
		break;
	}
}

static void on_records(struct loop_io *io, uint32_t events)
{
	struct rescue_worker *worker = container_of(io, struct rescue_worker, records);

	(void)events;
	dp_rescue_consume(worker->datapath, on_record, worker);
}

static void warn_of_hidden(struct rescue_worker *worker)
{
	size_t hidden = client_netns_cache_hidden(worker->env.netns);

	if (hidden && !worker->warned)
		log_warn("of %zu processes the network namespace can not be seen, for want of "
			 "CAP_SYS_PTRACE perhaps: clients there see their failures",
			 hidden);
	worker->warned = hidden;
}

static void on_heartbeat(struct loop_timer *timer, uint64_t now)
{
	struct rescue_worker *worker = container_of(timer, struct rescue_worker, heartbeat);

	beat(worker, now);
	if (client_netns_cache_walk(worker->env.netns, now))
		warn_of_hidden(worker);
	(void)loop_timer_arm(worker->loop, timer, now + HEARTBEAT_INTERVAL);
}

static void on_count(struct loop_timer *timer, uint64_t now)
{
	struct rescue_worker *worker = container_of(timer, struct rescue_worker, count);

	rescue_env_count_requests(&worker->env, now);
	(void)loop_timer_arm(worker->loop, timer, now + COUNT_INTERVAL);
}

/* The kernel answers with a record, if the request waits even now. */
static void ask_for(struct rescue_worker *worker, uint64_t cookie,
		    const struct sw_outstanding *outstanding)
{
	struct client_peer client = client_peer_of_outstanding(cookie, outstanding);

	dp_rescue_forget_outstanding(worker->datapath, cookie);
	if (!client_peer_find(&client, worker->env.netns, worker->now))
		client_peer_send(&client, SW_ORDER_REPORT, SEGMENT_ACK,
				 (uint32_t)outstanding->since, (uint32_t)(outstanding->since >> 32),
				 NULL, 0);
	client_peer_done(&client);
}

static bool has_failed(const struct rescue_worker *worker, const struct sw_outstanding *outstanding)
{
	const struct sw_policy *policy =
		&dp_rescue_service(worker->datapath, outstanding->service)->policy;
	uint64_t age = worker->now - outstanding->since;

	if (worker->down)
		return outstanding->backend == worker->down &&
		       policy->retry_on & (SW_FAILURE_RESET | SW_FAILURE_TIMEOUT);
	return policy->retry_on & SW_FAILURE_TIMEOUT && policy->request_timeout &&
	       worker->now > outstanding->since && age > policy->request_timeout * NSEC_PER_MSEC;
}

static void on_outstanding(void *arg, uint64_t cookie, const struct sw_outstanding *outstanding)
{
	struct rescue_worker *worker = arg;

	if (has_failed(worker, outstanding))
		ask_for(worker, cookie, outstanding);
	else if (worker->now > outstanding->since + OUTSTANDING_LIMIT)
		dp_rescue_forget_outstanding(worker->datapath, cookie);
}

static void scan_outstanding(struct rescue_worker *worker, uint32_t down, uint64_t now)
{
	worker->down = down;
	worker->now = now;
	dp_rescue_each_outstanding(worker->datapath, on_outstanding, worker);
}

static void on_scan(struct loop_timer *timer, uint64_t now)
{
	struct rescue_worker *worker = container_of(timer, struct rescue_worker, scan);

	scan_outstanding(worker, 0, now);
	if (worker->scan_interval)
		(void)loop_timer_arm(worker->loop, timer, now + worker->scan_interval);
}

static void take_orders(struct rescue_worker *worker, struct orders *ret)
{
	pthread_mutex_lock(&worker->lock);
	*ret = worker->orders;
	worker->orders = (struct orders){.stop = ret->stop, .scan = ret->scan};
	pthread_mutex_unlock(&worker->lock);
}

static void on_wake(struct loop_io *io, uint32_t events)
{
	struct rescue_worker *worker = container_of(io, struct rescue_worker, wake);
	uint64_t count, now = loop_now(worker->loop);
	struct orders orders;

	(void)events;
	if (read(io->fd, &count, sizeof(count)) < 0)
		return;
	take_orders(worker, &orders);
	vec_foreach(&orders.down, backend)
		scan_outstanding(worker, *backend, now);
	vec_done(&orders.down);
	if (orders.scan != worker->scan_interval) {
		worker->scan_interval = orders.scan;
		(void)loop_timer_arm(worker->loop, &worker->scan, now);
	}
	if (orders.stop)
		loop_stop(worker->loop);
}

/* No failure is held back any more; what is held is let go. */
static void wind_up(struct rescue_worker *worker)
{
	beat(worker, 0);
	while (dp_rescue_consume(worker->datapath, on_record, worker))
		;
	rescue_job_end_all(&worker->env);
	rescue_connect_end_all(&worker->env);
	rescue_idle_end_all(&worker->env);
	dp_rescue_detach(worker->datapath);
}

static void *run(void *arg)
{
	struct rescue_worker *worker = arg;

	pthread_setname_np(pthread_self(), "swerve-rescue");
	loop_run(worker->loop);
	wind_up(worker);
	return NULL;
}

static void wake(struct rescue_worker *worker)
{
	uint64_t one = 1;

	/* It can only fail when it is about to wake up anyway. */
	if (write(worker->wake.fd, &one, sizeof(one)) < 0)
		return;
}

static int set_up_loop(struct rescue_worker *worker)
{
	uint64_t now = clock_now();
	int err;

	worker->wake =
		(struct loop_io){.fn = on_wake, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	if (worker->wake.fd < 0)
		return -errno;
	worker->records = (struct loop_io){.fn = on_records, .fd = dp_rescue_fd(worker->datapath)};
	worker->heartbeat.fn = on_heartbeat;
	worker->scan.fn = on_scan;
	worker->count.fn = on_count;
	worker->env.counted = now;
	/* What fails from the first moment on is held: the thread is about to start. */
	dp_rescue_heartbeat(worker->datapath, now);
	err = loop_io_add(worker->loop, &worker->wake, EPOLLIN);
	if (!err)
		err = loop_io_add(worker->loop, &worker->records, EPOLLIN);
	if (!err)
		err = loop_timer_arm(worker->loop, &worker->heartbeat, now);
	if (!err)
		err = loop_timer_arm(worker->loop, &worker->scan, now);
	/* All have a place in the heap now: they can be armed again without memory. */
	if (!err)
		err = loop_timer_arm(worker->loop, &worker->count, now + COUNT_INTERVAL);
	return err;
}

/* Signals are the main loop's. */
static int start_thread(struct rescue_worker *worker)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&worker->thread, NULL, run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	worker->started = !err;
	return err;
}

static void stop_worker(struct rescue_worker **worker)
{
	rescue_worker_stop(*worker);
}

static int rights_problem(int err, struct dp_problem *problem)
{
	if (err == -EPERM)
		return dp_problem(problem, err,
				  "requests can not be replayed: CAP_NET_RAW and CAP_SYS_ADMIN are "
				  "needed to answer in a backend's name within the network "
				  "namespace of a client.");
	return dp_problem(problem, err, "requests can not be replayed: %s.", strerror(-err));
}

int rescue_worker_start(const struct rescue_worker_config *config,
			const struct rescue_results *before, struct rescue_worker **ret,
			struct dp_problem *problem)
{
	_cleanup_(stop_worker) struct rescue_worker *worker = calloc(1, sizeof(*worker));
	int err;

	if (!worker)
		return dp_problem(problem, -ENOMEM, "out of memory.");
	worker->wake.fd = -1;
	pthread_mutex_init(&worker->lock, NULL);
	err = loop_new(&worker->loop);
	if (err)
		return rights_problem(err, problem);
	/* Before the programs are verified, which costs more than all else. */
	err = rescue_env_init(&worker->env, worker->loop);
	if (err)
		return rights_problem(err, problem);
	worker->env_made = true;
	err = dp_rescue_open(config->cgroup, config->pin_dir, &worker->datapath, problem);
	if (err)
		return err;
	worker->env.datapath = worker->datapath;
	worker->env.mark_attempts = config->mark_attempts;
	worker->env.results = *before;
	err = set_up_loop(worker);
	if (!err)
		err = dp_rescue_attach(worker->datapath);
	if (!err)
		err = start_thread(worker);
	if (err)
		return rights_problem(err, problem);
	*ret = TAKE_PTR(worker);
	return 0;
}

void rescue_worker_stop(struct rescue_worker *worker)
{
	if (!worker)
		return;
	if (worker->started) {
		pthread_mutex_lock(&worker->lock);
		worker->orders.stop = true;
		pthread_mutex_unlock(&worker->lock);
		wake(worker);
		pthread_join(worker->thread, NULL);
	}
	if (worker->env_made)
		rescue_env_done(&worker->env);
	dp_rescue_close(worker->datapath);
	cleanup_close(&worker->wake.fd);
	loop_free(worker->loop);
	vec_done(&worker->orders.down);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

void rescue_worker_backend_down(struct rescue_worker *worker, uint32_t backend)
{
	pthread_mutex_lock(&worker->lock);
	/* Without memory those requests wait for their time-out. */
	(void)vec_push(&worker->orders.down, backend);
	pthread_mutex_unlock(&worker->lock);
	wake(worker);
}

void rescue_worker_set_scan(struct rescue_worker *worker, uint64_t interval)
{
	pthread_mutex_lock(&worker->lock);
	worker->orders.scan = interval;
	pthread_mutex_unlock(&worker->lock);
	wake(worker);
}

void rescue_worker_results(struct rescue_worker *worker, struct rescue_results *ret)
{
	pthread_mutex_lock(&worker->env.lock);
	*ret = worker->env.results;
	pthread_mutex_unlock(&worker->env.lock);
	ret->stats.overruns = dp_rescue_overruns(worker->datapath);
	for (int i = 0; i < SW_OBSTACLE_COUNT; i++)
		ret->stats.impossible[i] += dp_rescue_impossible(worker->datapath, i);
}

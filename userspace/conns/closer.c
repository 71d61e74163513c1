/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lock` guards queue, results and stopping. A batch belongs to the thread alone. The thread is at
 * home between batches: it would keep the namespace of a pod alive that is otherwise gone.
 */
#include "conns/closer.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "conns/close_pace.h"
#include "loop/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

struct job {
	struct closer_job what;
	uint64_t pushed;
};

struct jobs {
	struct job *items;
	size_t len;
	size_t cap;
};

struct closer {
	struct close_walk walk; /* the thread's */
	struct close_pace pace; /* the thread's */
	int event;
	struct loop_io io;
	closer_done_fn *fn;
	void *arg;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* CLOCK_MONOTONIC */
	struct jobs queue;
	struct closer_results results;
	bool stopping;
};

/* Sleeps until `until`, or until the thread is to end. Returns whether to go on. */
static bool wait_until(struct closer *closer, uint64_t until)
{
	struct timespec time = {.tv_sec = (time_t)(until / NSEC_PER_SEC),
				.tv_nsec = (long)(until % NSEC_PER_SEC)};
	bool stopping;

	pthread_mutex_lock(&closer->lock);
	while (!closer->stopping &&
	       pthread_cond_timedwait(&closer->wake, &closer->lock, &time) != ETIMEDOUT)
		;
	stopping = closer->stopping;
	pthread_mutex_unlock(&closer->lock);
	return !stopping;
}

static bool walk_wait(struct close_walk *walk, uint64_t until)
{
	return wait_until(container_of(walk, struct closer, walk), until);
}

/* Turns jobs into results to be filled. What there is no memory for is done the next time. */
static void prepare(struct jobs *jobs, struct closer_results *ret)
{
	while (jobs->len) {
		const struct job *job = &jobs->items[jobs->len - 1];

		if (vec_push(ret, (struct closer_result){.job = job->what, .took = job->pushed}))
			return;
		jobs->len--;
	}
}

/* Hands the results over. Without memory they are lost, the work is not. */
static void deliver(struct closer *closer, struct closer_results *results)
{
	uint64_t one = 1, now = clock_now();

	pthread_mutex_lock(&closer->lock);
	vec_foreach(results, result) {
		result->took = now - result->took;
		vec_push(&closer->results, *result);
	}
	pthread_mutex_unlock(&closer->lock);
	vec_done(results);
	if (write(closer->event, &one, sizeof(one)) < 0)
		return; /* only when 2^64 - 2 are waiting */
}

/* Waits for jobs and takes them all. Returns false if the thread is to end. */
static bool take_batch(struct closer *closer, struct closer_results *ret)
{
	bool stopping;

	pthread_mutex_lock(&closer->lock);
	while (!closer->stopping && !closer->queue.len)
		pthread_cond_wait(&closer->wake, &closer->lock);
	prepare(&closer->queue, ret);
	stopping = closer->stopping;
	pthread_mutex_unlock(&closer->lock);
	return !stopping;
}

static void *run(void *arg)
{
	struct closer *closer = arg;
	struct closer_results results = {};

	pthread_setname_np(pthread_self(), "swerve-closer");
	while (take_batch(closer, &results)) {
		uint64_t began = clock_now();

		close_walk_run(&closer->walk, &results);
		deliver(closer, &results);
		if (!wait_until(closer, close_pace_next(&closer->pace, began, clock_now())))
			break;
	}
	vec_done(&results);
	return NULL;
}

static void on_event(struct loop_io *io, uint32_t events)
{
	struct closer *closer = container_of(io, struct closer, io);
	struct closer_results results;
	uint64_t count;

	(void)events;
	if (read(io->fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&closer->lock);
	results = closer->results;
	closer->results = (struct closer_results){};
	pthread_mutex_unlock(&closer->lock);
	vec_foreach(&results, result)
		closer->fn(closer->arg, result);
	vec_done(&results);
}

/* Signals are the loop's. */
static int start(struct closer *closer)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&closer->thread, NULL, run, closer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	closer->started = !err;
	return err;
}

static int init_sync(struct closer *closer)
{
	pthread_condattr_t attributes;
	int err = -pthread_condattr_init(&attributes);

	if (err)
		return err;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	err = -pthread_cond_init(&closer->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	return err;
}

static int open_fds(struct closer *closer, struct loop *loop)
{
	int err = close_walk_init(&closer->walk);

	if (err)
		return err;
	closer->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (closer->event < 0)
		return -errno;
	closer->io.fd = closer->event;
	closer->io.fn = on_event;
	return loop_io_add(loop, &closer->io, EPOLLIN);
}

static void cleanup_closer(struct closer **closer)
{
	closer_free(*closer);
}

int closer_new(struct loop *loop, const struct closer_sockets *sockets, closer_done_fn *fn,
	       void *arg, struct closer **ret)
{
	_cleanup_(cleanup_closer) struct closer *closer = NULL;
	struct closer *made = calloc(1, sizeof(*made));
	int err;

	if (!made)
		return -ENOMEM;
	err = init_sync(made);
	if (err) {
		free(made);
		return err;
	}
	closer = made;
	closer->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	closer->event = -1;
	closer->walk = (struct close_walk){.sockets_fd = sockets->fd,
					   .storage = sockets->storage,
					   .storage_arg = sockets->arg,
					   .wait = walk_wait,
					   .home = -1};
	closer->fn = fn;
	closer->arg = arg;
	err = open_fds(closer, loop);
	if (!err)
		err = start(closer);
	if (err)
		return err;
	*ret = TAKE_PTR(closer);
	return 0;
}

static void stop(struct closer *closer)
{
	pthread_mutex_lock(&closer->lock);
	closer->stopping = true;
	pthread_cond_signal(&closer->wake);
	pthread_mutex_unlock(&closer->lock);
	pthread_join(closer->thread, NULL);
}

void closer_free(struct closer *closer)
{
	if (!closer)
		return;
	if (closer->started)
		stop(closer);
	loop_io_del(&closer->io);
	cleanup_close(&closer->event);
	close_walk_done(&closer->walk);
	pthread_cond_destroy(&closer->wake);
	pthread_mutex_destroy(&closer->lock);
	vec_done(&closer->queue);
	vec_done(&closer->results);
	free(closer);
}

static bool is_same(const struct closer_job *a, const struct closer_job *b)
{
	return a->id == b->id && a->proto == b->proto &&
	       addr_equal(&a->target.addr, &b->target.addr) && a->target.port == b->target.port &&
	       a->target.service == b->target.service && a->target.flags == b->target.flags;
}

static bool is_waiting(const struct jobs *queue, const struct closer_job *job)
{
	vec_foreach(queue, waiting) {
		if (is_same(&waiting->what, job))
			return true;
	}
	return false;
}

int closer_push(struct closer *closer, const struct closer_job *job)
{
	int err = 0;

	pthread_mutex_lock(&closer->lock);
	if (!is_waiting(&closer->queue, job))
		err = vec_push(&closer->queue, (struct job){*job, clock_now()});
	if (!err)
		pthread_cond_signal(&closer->wake);
	pthread_mutex_unlock(&closer->lock);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants.
 *  - batch[next .. len - 1] are the events not delivered yet. loop_io_del() takes those of its
 *    source out, so every pointer in there is of a source that is registered.
 *  - heap is a binary heap by deadline; heap.items[i]->position == i. A deadline is always later
 *    than `now`: one in the past becomes now + 1. So a timer armed by a handler waits for the next
 *    round, and I/O gets its turn in between.
 *  - Descriptors come before timers in a round: when the loop is late, an answer that has arrived
 *    beats the time-out that waits for it.
 */
#include "loop/loop.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/vec.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

enum { BATCH_SIZE = 128 };

struct loop {
	int epoll_fd;
	bool stopped;
	uint64_t now;
	struct {
		struct epoll_event events[BATCH_SIZE];
		int next, len;
	} batch;

	VEC(struct loop_timer *) heap;
	struct loop_io timer_io;
	uint64_t timer_set; /* when the timerfd will wake us, perhaps too early; 0: never */

	struct loop_signal *signals;
	struct loop_io signal_io;
	sigset_t signal_mask;
};

/* The timerfd is edge-triggered: there is no need to read it. */
static void timer_expired(struct loop_io *io, uint32_t events)
{
	(void)events;
	io->loop->timer_set = 0;
}

static void signal_arrived(struct loop_io *io, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(io->fd, &info, sizeof(info)) != sizeof(info))
		return;
	for (struct loop_signal *sig = io->loop->signals; sig; sig = sig->next) {
		if (sig->signo == (int)info.ssi_signo)
			sig->fn(sig, sig->signo);
	}
}

static int open_descriptors(struct loop *loop)
{
	int r;

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	loop->timer_io.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->timer_io.fd < 0)
		return -errno;
	loop->signal_io.fd = signalfd(-1, &loop->signal_mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (loop->signal_io.fd < 0)
		return -errno;
	r = loop_io_add(loop, &loop->timer_io, EPOLLIN | EPOLLET);
	if (r < 0)
		return r;
	return loop_io_add(loop, &loop->signal_io, EPOLLIN);
}

static void cleanup_loop(struct loop **loop)
{
	loop_free(*loop);
}

int loop_new(struct loop **ret)
{
	_cleanup_(cleanup_loop) struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = -1;
	loop->timer_io = (struct loop_io){.fn = timer_expired, .fd = -1};
	loop->signal_io = (struct loop_io){.fn = signal_arrived, .fd = -1};
	sigemptyset(&loop->signal_mask);
	loop->now = clock_now();
	r = open_descriptors(loop);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(loop);
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	cleanup_close(&loop->signal_io.fd);
	cleanup_close(&loop->timer_io.fd);
	cleanup_close(&loop->epoll_fd);
	vec_done(&loop->heap);
	free(loop);
}

uint64_t loop_now(const struct loop *loop)
{
	return loop->now;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

/* Descriptors */

int loop_io_add(struct loop *loop, struct loop_io *io, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = io};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, io->fd, &event) < 0)
		return -errno;
	io->loop = loop;
	return 0;
}

int loop_io_mod(struct loop_io *io, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = io};

	if (epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event) < 0)
		return -errno;
	return 0;
}

static void forget_io(struct loop_io *io)
{
	struct loop *loop = io->loop;

	for (int i = loop->batch.next; i < loop->batch.len; i++) {
		if (loop->batch.events[i].data.ptr == io)
			loop->batch.events[i].data.ptr = NULL;
	}
	io->loop = NULL;
}

void loop_io_del(struct loop_io *io)
{
	if (!io->loop)
		return;
	epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	forget_io(io);
}

void loop_io_close(struct loop_io *io)
{
	close(io->fd);
	forget_io(io);
}

static void deliver_batch(struct loop *loop)
{
	while (loop->batch.next < loop->batch.len) {
		const struct epoll_event *event = &loop->batch.events[loop->batch.next++];
		struct loop_io *io = event->data.ptr;

		if (io)
			io->fn(io, event->events);
	}
}

/* Timers */

static void heap_set(struct loop *loop, size_t position, struct loop_timer *timer)
{
	loop->heap.items[position] = timer;
	timer->position = position;
}

/* Puts a timer where it belongs, seen from a position that is free. */
static void heap_place(struct loop *loop, size_t position, struct loop_timer *timer)
{
	struct loop_timer **items = loop->heap.items;

	while (position && timer->deadline < items[(position - 1) / 2]->deadline) {
		heap_set(loop, position, items[(position - 1) / 2]);
		position = (position - 1) / 2;
	}
	for (;;) {
		size_t child = position * 2 + 1;

		if (child + 1 < loop->heap.len &&
		    items[child + 1]->deadline < items[child]->deadline)
			child++;
		if (child >= loop->heap.len || timer->deadline <= items[child]->deadline)
			break;
		heap_set(loop, position, items[child]);
		position = child;
	}
	heap_set(loop, position, timer);
}

int loop_timer_arm(struct loop *loop, struct loop_timer *timer, uint64_t deadline)
{
	if (!timer->loop) {
		int r = vec_push(&loop->heap, timer);

		if (r < 0)
			return r;
		timer->loop = loop;
		timer->position = loop->heap.len - 1;
	}
	timer->deadline = deadline > loop->now ? deadline : loop->now + 1;
	heap_place(loop, timer->position, timer);
	return 0;
}

void loop_timer_cancel(struct loop_timer *timer)
{
	struct loop *loop = timer->loop;
	struct loop_timer *last;

	if (!loop)
		return;
	timer->loop = NULL;
	last = loop->heap.items[--loop->heap.len];
	if (last != timer)
		heap_place(loop, timer->position, last);
}

static void fire_timers(struct loop *loop)
{
	while (loop->heap.len && loop->heap.items[0]->deadline <= loop->now) {
		struct loop_timer *timer = loop->heap.items[0];

		loop_timer_cancel(timer);
		timer->fn(timer, loop->now);
	}
}

/*
 * Makes sure that the loop wakes up in time. A timerfd that is set for an earlier time is left
 * alone: waking up once for nothing is cheaper than a system call for each time-out that is armed
 * and cancelled again.
 */
static int set_timerfd(struct loop *loop, uint64_t deadline)
{
	const struct itimerspec spec = {
		.it_value.tv_sec = (time_t)(deadline / NSEC_PER_SEC),
		.it_value.tv_nsec = (long)(deadline % NSEC_PER_SEC),
	};

	if (loop->timer_set && loop->timer_set <= deadline)
		return 0;
	if (timerfd_settime(loop->timer_io.fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
		return -errno;
	loop->timer_set = deadline;
	return 0;
}

/* Signals */

int loop_signal_add(struct loop *loop, struct loop_signal *sig)
{
	sigset_t one, all = loop->signal_mask;
	int r;

	sigemptyset(&one);
	if (sigaddset(&one, sig->signo) < 0 || sigaddset(&all, sig->signo) < 0)
		return -errno;
	r = pthread_sigmask(SIG_BLOCK, &one, NULL);
	if (r)
		return -r;
	if (signalfd(loop->signal_io.fd, &all, 0) < 0)
		return -errno;
	loop->signal_mask = all;
	sig->next = loop->signals;
	loop->signals = sig;
	return 0;
}

/* Rounds */

static int run_round(struct loop *loop, int timeout_ms)
{
	uint64_t deadline = loop->heap.len ? loop->heap.items[0]->deadline : UINT64_MAX;
	int r, n;

	if (deadline == loop->now + 1) {
		timeout_ms = 0;
	} else if (deadline != UINT64_MAX) {
		r = set_timerfd(loop, deadline);
		if (r < 0)
			return r;
	}
	n = epoll_wait(loop->epoll_fd, loop->batch.events, BATCH_SIZE, timeout_ms);
	if (n < 0 && errno != EINTR)
		return -errno;
	loop->now = clock_now();
	loop->batch.next = 0;
	loop->batch.len = n > 0 ? n : 0;
	deliver_batch(loop);
	fire_timers(loop);
	return 0;
}

int loop_run_once(struct loop *loop, uint64_t timeout_ns)
{
	uint64_t ms = timeout_ns / NSEC_PER_MSEC + !!(timeout_ns % NSEC_PER_MSEC);

	return run_round(loop, ms > INT_MAX ? INT_MAX : (int)ms);
}

int loop_run(struct loop *loop)
{
	int r = 0;

	while (!loop->stopped && r == 0)
		r = run_round(loop, -1);
	loop->stopped = false;
	return r;
}

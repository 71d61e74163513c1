/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One epoll loop: descriptors, timers on one timerfd, signals by signalfd.
 *
 * Sources are structs that the caller embeds in its own, so registration allocates nothing. A
 * handler may remove any source, its own too, at any time: an event that was fetched in the same
 * batch for a source removed meanwhile is not delivered. Nothing may block in a handler.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop; /* opaque */

struct loop_io {
	void (*fn)(struct loop_io *io, uint32_t events); /* events as epoll: EPOLLIN … */
	int fd; /* borrowed: the caller closes it, after loop_io_del() */
	/* private */
	struct loop *loop; /* NULL when not registered */
};

struct loop_timer {
	void (*fn)(struct loop_timer *timer, uint64_t now);
	/* private */
	struct loop *loop; /* NULL when not armed */
	uint64_t deadline;
	size_t position;
};

struct loop_signal {
	void (*fn)(struct loop_signal *sig, int signo);
	int signo;
	/* private */
	struct loop_signal *next;
};

/* Returns 0 or -errno. */
int loop_new(struct loop **ret);

/* NULL is allowed. Sources still registered are forgotten, their descriptors stay open. */
void loop_free(struct loop *loop);

/* Runs until loop_stop(). Returns 0 or -errno of epoll. */
int loop_run(struct loop *loop);

/* Waits at most timeout_ns for events and handles one batch. For tests. Returns 0 or -errno. */
int loop_run_once(struct loop *loop, uint64_t timeout_ns);

void loop_stop(struct loop *loop);

/* The time sampled when the loop last woke up: nanoseconds of CLOCK_MONOTONIC. */
uint64_t loop_now(const struct loop *loop);

/* Registers io->fd, with io->fn set by the caller. Returns 0 or -errno. */
int loop_io_add(struct loop *loop, struct loop_io *io, uint32_t events);
int loop_io_mod(struct loop_io *io, uint32_t events);

/* Idempotent. */
void loop_io_del(struct loop_io *io);

/*
 * Closes io->fd as well, at the price of one system call; it must be registered, and the last
 * descriptor of its file.
 */
void loop_io_close(struct loop_io *io);

/*
 * Arms the timer for an absolute time, replacing what it was armed for. It fires once. A deadline
 * in the past fires in the next round. Returns 0 or -ENOMEM.
 */
int loop_timer_arm(struct loop *loop, struct loop_timer *timer, uint64_t deadline);

/* Idempotent. */
void loop_timer_cancel(struct loop_timer *timer);

/* Blocks the signal for the process and hands it to sig->fn. Returns 0 or -errno. */
int loop_signal_add(struct loop *loop, struct loop_signal *sig);

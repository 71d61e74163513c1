/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#define LONG_TIME (10 * NSEC_PER_SEC)

static int setup(void **state)
{
	return loop_new((struct loop **)state);
}

static int teardown(void **state)
{
	loop_free(*state);
	return 0;
}

/* One end of a pair of sockets, readable from the start. */
struct pipe_end {
	struct loop_io io;
	int other;
	int calls;
	uint32_t events;
	struct pipe_end *victim; /* removed by the handler */
	struct loop_io *added;   /* added by the handler */
};

static void on_readable(struct loop_io *io, uint32_t events)
{
	struct pipe_end *end = container_of(io, struct pipe_end, io);
	struct loop *loop = io->loop;

	end->calls++;
	end->events = events;
	if (end->victim)
		loop_io_del(&end->victim->io);
	if (end->added)
		assert_int_equal(loop_io_add(loop, end->added, EPOLLIN), 0);
}

static void open_end(struct loop *loop, struct pipe_end *end)
{
	int fds[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), errno);
	*end = (struct pipe_end){.io = {.fn = on_readable, .fd = fds[0]}, .other = fds[1]};
	assert_int_equal(write(end->other, "x", 1), 1);
	assert_int_equal(loop_io_add(loop, &end->io, EPOLLIN), 0);
}

static void close_end(struct pipe_end *end)
{
	loop_io_del(&end->io);
	close(end->io.fd);
	close(end->other);
}

static void test_io_is_level_triggered(void **state)
{
	struct pipe_end end;
	char c;

	open_end(*state, &end);
	assert_int_equal(loop_run_once(*state, LONG_TIME), 0);
	assert_int_equal(loop_run_once(*state, LONG_TIME), 0);
	assert_int_equal(end.calls, 2);
	assert_int_equal(end.events, EPOLLIN);
	assert_int_equal(read(end.io.fd, &c, 1), 1);
	assert_int_equal(loop_run_once(*state, 0), 0);
	assert_int_equal(end.calls, 2);
	assert_int_equal(loop_io_mod(&end.io, EPOLLOUT), 0);
	assert_int_equal(loop_run_once(*state, LONG_TIME), 0);
	assert_int_equal(end.events, EPOLLOUT);
	close_end(&end);
}

static void test_io_errors(void **state)
{
	struct loop_io bad = {.fn = on_readable, .fd = 1000000};
	struct pipe_end end;

	assert_int_equal(loop_io_add(*state, &bad, EPOLLIN), -EBADF);
	assert_null(bad.loop);
	loop_io_del(&bad);
	open_end(*state, &end);
	assert_int_equal(loop_io_add(*state, &end.io, EPOLLIN), -EEXIST);
	loop_io_del(&end.io);
	loop_io_del(&end.io);
	close_end(&end);
}

/* Both are readable; whichever comes first removes the other. */
static void test_stale_event_is_not_delivered(void **state)
{
	struct pipe_end a, b;

	open_end(*state, &a);
	open_end(*state, &b);
	a.victim = &b;
	b.victim = &a;
	assert_int_equal(loop_run_once(*state, LONG_TIME), 0);
	assert_int_equal(a.calls + b.calls, 1);
	assert_int_equal(!!a.io.loop + !!b.io.loop, 1);
	close_end(&a);
	close_end(&b);
}

/* A source that a handler removes and adds again: what it had in the batch is not for it. */
static void test_stale_event_of_added_again(void **state)
{
	struct pipe_end a, b;

	open_end(*state, &a);
	open_end(*state, &b);
	a.victim = &b;
	a.added = &b.io;
	b.victim = &a;
	b.added = &a.io;
	assert_int_equal(loop_run_once(*state, LONG_TIME), 0);
	assert_int_equal(a.calls + b.calls, 1);
	assert_int_equal(loop_run_once(*state, LONG_TIME), 0);
	assert_int_equal(a.calls + b.calls, 2);
	close_end(&a);
	close_end(&b);
}

static void test_handler_may_remove_itself(void **state)
{
	struct pipe_end end;

	open_end(*state, &end);
	end.victim = &end;
	assert_int_equal(loop_run_once(*state, LONG_TIME), 0);
	assert_int_equal(loop_run_once(*state, 0), 0);
	assert_int_equal(end.calls, 1);
	close_end(&end);
}

/* Timers. What fired is recorded in order. */
enum { TIMERS = 1000 };

struct probe_timer {
	struct loop_timer timer;
	uint64_t due;
	int calls;
	struct probe_timer *victim;
};

static struct {
	struct probe_timer *order[TIMERS];
	size_t len;
} fired;

static void on_timer(struct loop_timer *timer, uint64_t now)
{
	struct probe_timer *probe = container_of(timer, struct probe_timer, timer);

	assert_true(now >= probe->due);
	probe->calls++;
	if (fired.len < TIMERS)
		fired.order[fired.len++] = probe;
	if (probe->victim)
		loop_timer_cancel(&probe->victim->timer);
}

static struct loop *current;

static void on_timer_rearm_past(struct loop_timer *timer, uint64_t now)
{
	struct probe_timer *probe = container_of(timer, struct probe_timer, timer);

	assert_null(timer->loop);
	probe->calls++;
	assert_int_equal(loop_timer_arm(current, timer, now - 1), 0);
}

static void arm(struct loop *loop, struct probe_timer *probe, uint64_t offset)
{
	probe->timer.fn = on_timer;
	probe->due = loop_now(loop) + offset;
	assert_int_equal(loop_timer_arm(loop, &probe->timer, probe->due), 0);
}

static void run_until_fired(struct loop *loop, size_t count)
{
	while (fired.len < count)
		assert_int_equal(loop_run_once(loop, LONG_TIME), 0);
}

static void test_timers_fire_in_order(void **state)
{
	struct probe_timer a = {}, b = {}, c = {};

	fired.len = 0;
	arm(*state, &a, 3 * NSEC_PER_MSEC);
	arm(*state, &b, 1 * NSEC_PER_MSEC);
	arm(*state, &c, 2 * NSEC_PER_MSEC);
	run_until_fired(*state, 3);
	assert_ptr_equal(fired.order[0], &b);
	assert_ptr_equal(fired.order[1], &c);
	assert_ptr_equal(fired.order[2], &a);
	assert_true(clock_now() >= a.due);
	assert_true(loop_now(*state) >= a.due);
	assert_int_equal(loop_run_once(*state, 0), 0);
	assert_int_equal(fired.len, 3);
}

static void test_timer_not_before_its_time(void **state)
{
	struct probe_timer a = {};

	fired.len = 0;
	arm(*state, &a, LONG_TIME);
	assert_int_equal(loop_run_once(*state, 0), 0);
	assert_int_equal(a.calls, 0);
	assert_ptr_equal(a.timer.loop, *state);
	loop_timer_cancel(&a.timer);
	loop_timer_cancel(&a.timer);
	assert_null(a.timer.loop);
}

static void test_arming_again_replaces(void **state)
{
	struct probe_timer a = {}, b = {};

	fired.len = 0;
	arm(*state, &a, LONG_TIME);
	arm(*state, &b, 1 * NSEC_PER_MSEC);
	arm(*state, &a, 2 * NSEC_PER_MSEC); /* earlier than it was */
	run_until_fired(*state, 2);
	assert_ptr_equal(fired.order[1], &a);
	arm(*state, &b, NSEC_PER_MSEC);
	arm(*state, &b, LONG_TIME); /* later than it was */
	arm(*state, &a, 2 * NSEC_PER_MSEC);
	run_until_fired(*state, 3);
	assert_int_equal(a.calls, 2);
	assert_int_equal(b.calls, 1);
	loop_timer_cancel(&b.timer);
}

/* Also when the descriptor was set for a later one meanwhile. */
static void test_earlier_timer_comes_first(void **state)
{
	struct probe_timer late = {}, soon = {};

	fired.len = 0;
	arm(*state, &late, LONG_TIME);
	assert_int_equal(loop_run_once(*state, 0), 0);
	arm(*state, &soon, NSEC_PER_MSEC);
	run_until_fired(*state, 1);
	assert_int_equal(soon.calls, 1);
	assert_int_equal(late.calls, 0);
	loop_timer_cancel(&late.timer);
}

static void test_handler_cancels_timer_that_is_due(void **state)
{
	struct probe_timer a = {}, b = {}, c = {};

	fired.len = 0;
	arm(*state, &a, 1);
	arm(*state, &b, 2);
	arm(*state, &c, 3);
	a.victim = &b;
	run_until_fired(*state, 2);
	assert_int_equal(b.calls, 0);
	assert_int_equal(c.calls, 1);
}

static void test_past_timer_does_not_starve_io(void **state)
{
	struct probe_timer a = {.timer.fn = on_timer_rearm_past};
	struct pipe_end end;

	current = *state;
	open_end(*state, &end);
	assert_int_equal(loop_timer_arm(*state, &a.timer, 0), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_run_once(*state, LONG_TIME), 0);
	assert_true(a.calls >= 1 && a.calls <= 50);
	assert_int_equal(end.calls, 50);
	loop_timer_cancel(&a.timer);
	close_end(&end);
	/* Without I/O each round fires it once. */
	a.calls = 0;
	assert_int_equal(loop_timer_arm(*state, &a.timer, 0), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_run_once(*state, LONG_TIME), 0);
	assert_int_equal(a.calls, 50);
	loop_timer_cancel(&a.timer);
}

/* Random arming, moving and cancelling: what is left fires completely and in order. */
static void test_heap_against_sorted_list(void **state)
{
	static struct probe_timer timers[TIMERS];
	size_t armed = 0;

	srand(7);
	for (int round = 0; round < 20; round++) {
		fired.len = armed = 0;
		for (int step = 0; step < 4 * TIMERS; step++) {
			struct probe_timer *probe = &timers[rand() % TIMERS];

			if (rand() % 4)
				arm(*state, probe, 1 + (uint64_t)rand() % (3 * NSEC_PER_MSEC));
			else
				loop_timer_cancel(&probe->timer);
			probe->calls = 0;
		}
		for (size_t i = 0; i < TIMERS; i++)
			armed += timers[i].timer.loop != NULL;
		assert_true(armed > TIMERS / 2);
		run_until_fired(*state, armed);
		for (size_t i = 0; i < armed; i++) {
			assert_int_equal(fired.order[i]->calls, 1);
			assert_true(!i || fired.order[i - 1]->due <= fired.order[i]->due);
		}
		for (size_t i = 0; i < TIMERS; i++)
			assert_null(timers[i].timer.loop);
	}
}

/* Rounds interleaved with the operations. */
static void test_timers_armed_between_rounds(void **state)
{
	static struct probe_timer timers[TIMERS];
	uint64_t before;

	srand(8);
	for (int step = 0; step < 5000; step++) {
		struct probe_timer *probe = &timers[rand() % TIMERS];

		if (rand() % 3)
			arm(*state, probe, (uint64_t)rand() % NSEC_PER_MSEC);
		else
			loop_timer_cancel(&probe->timer);
		if (rand() % 20)
			continue;
		fired.len = 0;
		before = clock_now();
		assert_int_equal(loop_run_once(*state, 0), 0);
		for (size_t i = 0; i < TIMERS; i++)
			assert_true(!timers[i].timer.loop || timers[i].due > before);
		for (size_t i = 1; i < fired.len; i++)
			assert_true(fired.order[i - 1]->due <= fired.order[i]->due);
	}
	for (size_t i = 0; i < TIMERS; i++)
		loop_timer_cancel(&timers[i].timer);
}

static void stop_on_timer(struct loop_timer *timer, uint64_t now)
{
	(void)timer;
	(void)now;
	loop_stop(current);
}

static void test_run_until_stop(void **state)
{
	struct loop_timer timer = {.fn = stop_on_timer};

	current = *state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(loop_timer_arm(*state, &timer, loop_now(*state)), 0);
		assert_int_equal(loop_run(*state), 0);
	}
	loop_stop(*state);
	assert_int_equal(loop_run(*state), 0);
}

/* Signals. In a child, because they stay blocked. */
static int signals_seen[NSIG];

static void on_signal(struct loop_signal *sig, int signo)
{
	(void)sig;
	signals_seen[signo]++;
}

static int signal_child(void)
{
	struct loop_signal usr1 = {.fn = on_signal, .signo = SIGUSR1};
	struct loop_signal usr2 = {.fn = on_signal, .signo = SIGUSR2};
	struct loop_signal bad = {.fn = on_signal, .signo = 1000};
	struct loop *loop;

	if (loop_new(&loop) < 0 || loop_signal_add(loop, &usr1) < 0 ||
	    loop_signal_add(loop, &usr2) < 0)
		return 1;
	if (loop_signal_add(loop, &bad) != -EINVAL)
		return 2;
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	for (int i = 0; i < 3; i++) {
		if (loop_run_once(loop, 0) < 0)
			return 3;
	}
	loop_free(loop);
	return signals_seen[SIGUSR1] == 1 && signals_seen[SIGUSR2] == 1 ? 0 : 4;
}

static void test_signals(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		_exit(signal_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_free_takes_null(void **state)
{
	(void)state;
	loop_free(NULL);
}

#define LOOP_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_io_is_level_triggered),
		LOOP_TEST(test_io_errors),
		LOOP_TEST(test_stale_event_is_not_delivered),
		LOOP_TEST(test_stale_event_of_added_again),
		LOOP_TEST(test_handler_may_remove_itself),
		LOOP_TEST(test_timers_fire_in_order),
		LOOP_TEST(test_timer_not_before_its_time),
		LOOP_TEST(test_arming_again_replaces),
		LOOP_TEST(test_earlier_timer_comes_first),
		LOOP_TEST(test_handler_cancels_timer_that_is_due),
		LOOP_TEST(test_past_timer_does_not_starve_io),
		LOOP_TEST(test_heap_against_sorted_list),
		LOOP_TEST(test_timers_armed_between_rounds),
		LOOP_TEST(test_run_until_stop),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_free_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_queue.h"

#include "base/clock.h"
#include "base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ENTRIES = 8 };

static struct {
	struct loop *loop;
	struct health_queue queue;
	struct queue_entry entries[ENTRIES];
	int started[ENTRIES * 2], count;
	int again; /* an entry to be added from inside start(); -1: none */
} f;

static void on_start(struct queue_entry *entry)
{
	int number = (int)(entry - f.entries), again = f.again;

	assert_null(entry->queue);
	assert_in_range(f.count, 0, ENTRIES * 2 - 1);
	f.started[f.count++] = number;
	f.again = -1;
	if (again >= 0)
		health_queue_add(&f.queue, &f.entries[again], QUEUE_NORMAL);
}

/* With a rate of 9 the bucket holds one token. */
static void set_up(unsigned int rate)
{
	assert_int_equal(loop_new(&f.loop), 0);
	health_queue_init(&f.queue, f.loop, rate, on_start);
	for (int i = 0; i < ENTRIES; i++)
		f.entries[i] = (struct queue_entry){};
	f.count = 0;
	f.again = -1;
}

static void tear_down(void)
{
	health_queue_done(&f.queue);
	loop_free(f.loop);
}

static void add(int number, enum queue_order order)
{
	health_queue_add(&f.queue, &f.entries[number], order);
}

static void run_until_started(int count)
{
	uint64_t end = clock_now() + 30 * NSEC_PER_SEC;

	while (f.count < count && clock_now() < end)
		assert_int_equal(loop_run_once(f.loop, 10 * NSEC_PER_MSEC), 0);
	assert_int_equal(f.count, count);
}

static void expect_order(const int *want, int count)
{
	run_until_started(count);
	for (int i = 0; i < count; i++)
		assert_int_equal(f.started[i], want[i]);
	assert_int_equal(f.queue.waiting, 0);
}

static void test_without_a_limit_all_start_at_once(void **arg)
{
	(void)arg;
	set_up(0);
	for (int i = 0; i < ENTRIES; i++)
		add(i, QUEUE_IDLE);
	assert_int_equal(f.count, ENTRIES);
	assert_int_equal(f.queue.waited, 0);
	tear_down();
}

static void test_doubts_first_then_who_was_due_first(void **arg)
{
	static const int want[] = {0, 3, 6, 2, 5, 1, 4};

	(void)arg;
	set_up(9);
	add(0, QUEUE_NORMAL);
	add(1, QUEUE_IDLE);
	add(2, QUEUE_NORMAL);
	add(3, QUEUE_URGENT);
	add(4, QUEUE_IDLE);
	add(5, QUEUE_NORMAL);
	add(6, QUEUE_URGENT);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.queue.waiting, 6);
	expect_order(want, 7);
	assert_true(f.queue.waited > 0);
	tear_down();
}

static void test_move_and_remove(void **arg)
{
	static const int want[] = {0, 3, 1};

	(void)arg;
	set_up(9);
	add(0, QUEUE_NORMAL);
	add(1, QUEUE_IDLE);
	add(2, QUEUE_NORMAL);
	add(3, QUEUE_IDLE);
	health_queue_move(&f.entries[3], QUEUE_NORMAL);
	health_queue_remove(&f.entries[2]);
	health_queue_remove(&f.entries[2]);
	expect_order(want, 3);
	tear_down();
}

static void test_add_from_inside_start(void **arg)
{
	static const int want[] = {0, 1, 2};

	(void)arg;
	set_up(9);
	add(0, QUEUE_NORMAL);
	f.again = 2;
	add(1, QUEUE_NORMAL);
	expect_order(want, 3);
	tear_down();
}

/* What is gone does not hold up who comes later. */
static void test_begins_again_when_it_was_empty(void **arg)
{
	static const int want[] = {0, 2};

	(void)arg;
	set_up(9);
	add(0, QUEUE_NORMAL);
	add(1, QUEUE_NORMAL);
	health_queue_remove(&f.entries[1]);
	add(2, QUEUE_NORMAL);
	expect_order(want, 2);
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_limit_all_start_at_once),
		cmocka_unit_test(test_doubts_first_then_who_was_due_first),
		cmocka_unit_test(test_move_and_remove),
		cmocka_unit_test(test_add_from_inside_start),
		cmocka_unit_test(test_begins_again_when_it_was_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timer is armed while anything waits. Without the memory to arm it nothing may wait:
 * what is due starts, whatever the budget says.
 */
#include "health/health_queue.h"

#include "base/container_of.h"
#include "base/duration.h"

/* What waits starts a few at a time: that costs less than waking up for each. */
#define BATCH (4 * NSEC_PER_MSEC)

static struct queue_entry *first_of(struct health_queue *queue)
{
	for (int order = 0; order < QUEUE_ORDER_COUNT; order++) {
		if (!TAILQ_EMPTY(&queue->lists[order]))
			return TAILQ_FIRST(&queue->lists[order]);
	}
	return NULL;
}

static void start_first(struct health_queue *queue)
{
	struct queue_entry *entry = first_of(queue);

	queue->waited += loop_now(queue->loop) - entry->since;
	health_queue_remove(entry);
	queue->start(entry);
}

static bool may_start(struct health_queue *queue, uint64_t now)
{
	if (health_budget_take(&queue->budget, now))
		return true;
	return loop_timer_arm(queue->loop, &queue->timer,
			      health_budget_next(&queue->budget) + BATCH) < 0;
}

static void run(struct health_queue *queue)
{
	while (queue->waiting && may_start(queue, loop_now(queue->loop)))
		start_first(queue);
}

static void on_timer(struct loop_timer *timer, uint64_t now)
{
	(void)now;
	run(container_of(timer, struct health_queue, timer));
}

void health_queue_init(struct health_queue *queue, struct loop *loop, unsigned int rate,
		       void (*start)(struct queue_entry *entry))
{
	*queue = (struct health_queue){
		.loop = loop,
		.start = start,
		.budget = health_budget_of(rate),
		.timer.fn = on_timer,
	};
	for (int order = 0; order < QUEUE_ORDER_COUNT; order++)
		TAILQ_INIT(&queue->lists[order]);
}

void health_queue_done(struct health_queue *queue)
{
	loop_timer_cancel(&queue->timer);
}

static void append(struct health_queue *queue, struct queue_entry *entry, enum queue_order order)
{
	entry->queue = queue;
	entry->order = order;
	TAILQ_INSERT_TAIL(&queue->lists[order], entry, link);
	queue->waiting++;
}

void health_queue_add(struct health_queue *queue, struct queue_entry *entry, enum queue_order order)
{
	entry->since = loop_now(queue->loop);
	append(queue, entry, order);
	if (queue->waiting == 1)
		run(queue);
}

bool health_queue_take(struct health_queue *queue)
{
	return health_budget_take(&queue->budget, loop_now(queue->loop));
}

void health_queue_move(struct queue_entry *entry, enum queue_order order)
{
	struct health_queue *queue = entry->queue;

	health_queue_remove(entry);
	append(queue, entry, order);
}

void health_queue_remove(struct queue_entry *entry)
{
	struct health_queue *queue = entry->queue;

	if (!queue)
		return;
	TAILQ_REMOVE(&queue->lists[entry->order], entry, link);
	entry->queue = NULL;
	queue->waiting--;
}

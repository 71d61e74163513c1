/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes that are due, until the budget lets them start. Doubts come first, and among equals the one
 * that has been due longest. So too many probes stretch the intervals of all, and no probe fails by it.
 */
#pragma once

#include "health/health_budget.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* From first to last. */
enum queue_order {
	QUEUE_URGENT, /* doubt has to be cleared */
	QUEUE_NORMAL,
	QUEUE_IDLE, /* of services that nobody uses */
	QUEUE_ORDER_COUNT
};

/* Embedded by the caller, zeroed. */
struct queue_entry {
	/* private */
	struct health_queue *queue; /* NULL when it does not wait */
	enum queue_order order;
	uint64_t since;
	TAILQ_ENTRY(queue_entry) link;
};

TAILQ_HEAD(queue_list, queue_entry);

struct health_queue {
	struct loop *loop;
	void (*start)(struct queue_entry *entry); /* may change the queue in any way */
	size_t waiting;
	uint64_t waited; /* ns, of all that have waited */
	/* private */
	struct health_budget budget;
	struct loop_timer timer;
	struct queue_list lists[QUEUE_ORDER_COUNT];
};

/* `rate` as for health_budget_of(). Borrows the loop. */
void health_queue_init(struct health_queue *queue, struct loop *loop, unsigned int rate,
		       void (*start)(struct queue_entry *entry));
void health_queue_done(struct health_queue *queue);

/* Starts it, from inside this call, or lets it wait. It does not wait already. */
void health_queue_add(struct health_queue *queue, struct queue_entry *entry,
		      enum queue_order order);

/* For what starts outside of the queue. Returns false if the budget has nothing left now. */
bool health_queue_take(struct health_queue *queue);

/* Puts one that waits behind those of another order. */
void health_queue_move(struct queue_entry *entry, enum queue_order order);

/* Idempotent. */
void health_queue_remove(struct queue_entry *entry);

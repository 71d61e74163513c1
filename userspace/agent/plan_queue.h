/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services that are to be planned again though the source did not change them: each once, in no order.
 * Pure.
 */
#pragma once

#include <stddef.h>

struct plan_queue; /* opaque */

/* Returns 0 or -ENOMEM. */
int plan_queue_new(struct plan_queue **ret);

/* NULL is allowed. */
void plan_queue_free(struct plan_queue *queue);

/* Adds the service with which `name` begins, as names of ports do. Returns 0 or -ENOMEM. */
int plan_queue_add(struct plan_queue *queue, const char *name);

/* The same for one that failed: it waits for plan_queue_release(). */
int plan_queue_add_later(struct plan_queue *queue, const char *name);

/* Those that wait are due now; those for which there is no memory wait for the next time. */
void plan_queue_release(struct plan_queue *queue);

/* How many wait. */
size_t plan_queue_waiting(const struct plan_queue *queue);

/*
 * Takes one that is due. Returns 1 and what it is called, which the caller frees; 0 if there is none;
 * -ENOMEM, and it stays.
 */
int plan_queue_next(struct plan_queue *queue, char **ret_namespace, char **ret_name);

/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/plan_queue.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "datapath/dp_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Keys are "namespace/name"; the values mean nothing. */
struct plan_queue {
	struct hashmap *due;
	struct hashmap *later;
};

static void cleanup_queue(struct plan_queue **queue)
{
	plan_queue_free(*queue);
}

int plan_queue_new(struct plan_queue **ret)
{
	_cleanup_(cleanup_queue) struct plan_queue *queue = calloc(1, sizeof(*queue));

	if (!queue || hashmap_new(&queue->due) || hashmap_new(&queue->later))
		return -ENOMEM;
	*ret = TAKE_PTR(queue);
	return 0;
}

void plan_queue_free(struct plan_queue *queue)
{
	if (!queue)
		return;
	hashmap_free(queue->due);
	hashmap_free(queue->later);
	free(queue);
}

int plan_queue_add(struct plan_queue *queue, const char *name)
{
	return hashmap_put(queue->due, name, dp_port_service_len(name), queue);
}

int plan_queue_add_later(struct plan_queue *queue, const char *name)
{
	return hashmap_put(queue->later, name, dp_port_service_len(name), queue);
}

void plan_queue_release(struct plan_queue *queue)
{
	hashmap_foreach(queue->later, iter) {
		if (!hashmap_put(queue->due, iter.key, iter.key_size, queue))
			hashmap_remove(queue->later, iter.key, iter.key_size);
	}
}

size_t plan_queue_waiting(const struct plan_queue *queue)
{
	return hashmap_len(queue->later);
}

int plan_queue_next(struct plan_queue *queue, char **ret_namespace, char **ret_name)
{
	_cleanup_free_ char *namespace = NULL, *name = NULL;
	struct hashmap_iter iter = {};
	const char *key, *slash;

	if (!hashmap_next(queue->due, &iter))
		return 0;
	key = iter.key;
	slash = strchrnul(key, '/');
	namespace = strndup(key, (size_t)(slash - key));
	name = strdup(*slash ? slash + 1 : slash);
	if (!namespace || !name)
		return -ENOMEM;
	hashmap_remove(queue->due, iter.key, iter.key_size);
	*ret_namespace = TAKE_PTR(namespace);
	*ret_name = TAKE_PTR(name);
	return 1;
}

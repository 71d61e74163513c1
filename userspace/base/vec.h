/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing arrays of values: VEC(struct x) v = {}. The vec owns the memory of its items, not what
 * the items point to. Iterate with vec_foreach; after vec_push() pointers to items are stale.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define VEC(type)            \
	struct {             \
		type *items; \
		size_t len;  \
		size_t cap;  \
	}

/*
 * Returns the items with room for one more, perhaps moved; NULL: no memory, nothing changed. Begins with
 * room for two: most Services have one port, and few endpoints.
 */
static inline void *vec_room(void *items, size_t *cap, size_t len, size_t size)
{
	size_t want = *cap ? *cap * 2 : 2;
	void *grown;

	if (len < *cap)
		return items;
	grown = reallocarray(items, want, size);
	if (grown)
		*cap = want;
	return grown;
}

/* Appends an item. Returns 0 or -ENOMEM. */
#define vec_push(v, ...)                                                                  \
	({                                                                                \
		__typeof__(v) v_ = (v);                                                   \
		void *room_ = vec_room(v_->items, &v_->cap, v_->len, sizeof(*v_->items)); \
		if (room_) {                                                              \
			v_->items = room_;                                                \
			v_->items[v_->len++] = (__VA_ARGS__);                             \
		}                                                                         \
		room_ ? 0 : -ENOMEM;                                                      \
	})

/* Frees the memory of the items and leaves an empty vec. */
#define vec_done(v)                     \
	do {                            \
		__typeof__(v) v_ = (v); \
		free(v_->items);        \
		v_->items = NULL;       \
		v_->len = v_->cap = 0;  \
	} while (0)

#define vec_foreach(v, item)                                                                       \
	for (__typeof__((v)->items + 0) item = (v)->items; (size_t)(item - (v)->items) < (v)->len; \
	     item++)

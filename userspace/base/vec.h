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

/* Makes room for one more item. Returns 0 or -ENOMEM; on failure nothing changes. */
static inline int vec_grow(void **items, size_t *cap, size_t len, size_t size)
{
	size_t want = *cap ? *cap * 2 : 8;
	void *grown;

	if (len < *cap)
		return 0;
	grown = reallocarray(*items, want, size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*cap = want;
	return 0;
}

/* Appends an item. Returns 0 or -ENOMEM. */
#define vec_push(v, ...)                                                                         \
	({                                                                                       \
		__typeof__(v) v_ = (v);                                                          \
		int err_ = vec_grow((void **)&v_->items, &v_->cap, v_->len, sizeof(*v_->items)); \
		if (!err_)                                                                       \
			v_->items[v_->len++] = (__VA_ARGS__);                                    \
		err_;                                                                            \
	})

/* Frees the memory of the items and leaves an empty vec. */
#define vec_done(v)                     \
	do {                            \
		__typeof__(v) v_ = (v); \
		free(v_->items);        \
		v_->items = NULL;       \
		v_->len = v_->cap = 0;  \
	} while (0)

#define vec_foreach(v, item) \
	for (__typeof__((v)->items) item = (v)->items; item < (v)->items + (v)->len; item++)

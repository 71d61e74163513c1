/* SPDX-License-Identifier: Apache-2.0 */
/* Who owns which elements of the arrays: single indices and contiguous ranges. Pure. */
#pragma once

#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

/* Indices 1 .. size-1 of an array; 0 means "none" everywhere. */
struct dp_ids {
	uint64_t *used; /* one bit each */
	uint32_t size;
	uint32_t hint; /* where to search next */
	uint32_t count;
};

/* Returns 0 or -ENOMEM. */
int dp_ids_init(struct dp_ids *ids, uint32_t size);
void dp_ids_done(struct dp_ids *ids);

/* Returns 0 or -ENOSPC. */
int dp_ids_take(struct dp_ids *ids, uint32_t *ret_id);

/* Takes a certain index. Returns 0, -EINVAL if it is out of range, -EEXIST if it is taken. */
int dp_ids_reserve(struct dp_ids *ids, uint32_t id);
void dp_ids_release(struct dp_ids *ids, uint32_t id);
bool dp_ids_is_used(const struct dp_ids *ids, uint32_t id);

struct dp_range {
	uint32_t base;
	uint32_t count; /* 0: no range */
};

/* Ranges of an array, first fit. */
struct dp_ranges {
	VEC(struct dp_range) free; /* ordered by base, no two adjacent */
};

/* Returns 0 or -ENOMEM. */
int dp_ranges_init(struct dp_ranges *ranges, uint32_t size);
void dp_ranges_done(struct dp_ranges *ranges);

/* How many elements are free. */
uint32_t dp_ranges_left(const struct dp_ranges *ranges);

/* Returns 0, -ENOSPC or -ENOMEM. A count of 0 gives an empty range. */
int dp_ranges_take(struct dp_ranges *ranges, uint32_t count, struct dp_range *ret);

/* Takes a certain range. Returns 0, -EEXIST if part of it is taken or out of range, -ENOMEM. */
int dp_ranges_reserve(struct dp_ranges *ranges, struct dp_range range);

/* Gives a range back that was taken. Returns 0 or -ENOMEM: then it stays taken for good. */
int dp_ranges_release(struct dp_ranges *ranges, struct dp_range range);

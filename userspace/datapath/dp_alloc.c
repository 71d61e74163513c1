/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_alloc.h"

#include <errno.h>
#include <string.h>

static uint64_t bit_of(uint32_t id)
{
	return 1ULL << (id % 64);
}

int dp_ids_init(struct dp_ids *ids, uint32_t size)
{
	uint64_t *used = calloc((size + 63) / 64, sizeof(*used));

	if (!used)
		return -ENOMEM;
	*ids = (struct dp_ids){.used = used, .size = size, .hint = 1};
	return 0;
}

void dp_ids_done(struct dp_ids *ids)
{
	free(ids->used);
	*ids = (struct dp_ids){};
}

bool dp_ids_is_used(const struct dp_ids *ids, uint32_t id)
{
	return id < ids->size && (ids->used[id / 64] & bit_of(id));
}

int dp_ids_reserve(struct dp_ids *ids, uint32_t id)
{
	if (!id || id >= ids->size)
		return -EINVAL;
	if (dp_ids_is_used(ids, id))
		return -EEXIST;
	ids->used[id / 64] |= bit_of(id);
	ids->count++;
	return 0;
}

int dp_ids_take(struct dp_ids *ids, uint32_t *ret_id)
{
	uint32_t id = ids->hint;

	if (ids->count + 1 >= ids->size)
		return -ENOSPC;
	while (dp_ids_reserve(ids, id))
		id = id + 1 < ids->size ? id + 1 : 1;
	/* Going on from here, an index is used again as late as possible. */
	ids->hint = id + 1 < ids->size ? id + 1 : 1;
	*ret_id = id;
	return 0;
}

void dp_ids_release(struct dp_ids *ids, uint32_t id)
{
	if (!id || !dp_ids_is_used(ids, id))
		return;
	ids->used[id / 64] &= ~bit_of(id);
	ids->count--;
}

int dp_ranges_init(struct dp_ranges *ranges, uint32_t size)
{
	*ranges = (struct dp_ranges){};
	return vec_push(&ranges->free, (struct dp_range){.base = 0, .count = size});
}

void dp_ranges_done(struct dp_ranges *ranges)
{
	vec_done(&ranges->free);
}

static void extent_remove(struct dp_ranges *ranges, size_t i)
{
	memmove(ranges->free.items + i, ranges->free.items + i + 1,
		(ranges->free.len - i - 1) * sizeof(*ranges->free.items));
	ranges->free.len--;
}

static int extent_insert(struct dp_ranges *ranges, size_t i, struct dp_range range)
{
	int err = vec_push(&ranges->free, range);

	if (err)
		return err;
	memmove(ranges->free.items + i + 1, ranges->free.items + i,
		(ranges->free.len - i - 1) * sizeof(*ranges->free.items));
	ranges->free.items[i] = range;
	return 0;
}

uint32_t dp_ranges_left(const struct dp_ranges *ranges)
{
	uint32_t left = 0;

	vec_foreach(&ranges->free, extent)
		left += extent->count;
	return left;
}

int dp_ranges_take(struct dp_ranges *ranges, uint32_t count, struct dp_range *ret)
{
	if (!count) {
		*ret = (struct dp_range){};
		return 0;
	}
	for (size_t i = 0; i < ranges->free.len; i++) {
		struct dp_range *extent = &ranges->free.items[i];

		if (extent->count < count)
			continue;
		*ret = (struct dp_range){.base = extent->base, .count = count};
		extent->base += count;
		extent->count -= count;
		if (!extent->count)
			extent_remove(ranges, i);
		return 0;
	}
	return -ENOSPC;
}

/* The number of free extents that begin at or before base. */
static size_t extents_up_to(const struct dp_ranges *ranges, uint32_t base)
{
	size_t low = 0, high = ranges->free.len;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (ranges->free.items[middle].base <= base)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int dp_ranges_reserve(struct dp_ranges *ranges, struct dp_range range)
{
	size_t i = extents_up_to(ranges, range.base);
	struct dp_range *extent, rest;
	int err = 0;

	if (!range.count)
		return 0;
	if (!i)
		return -EEXIST;
	extent = &ranges->free.items[--i];
	if ((uint64_t)range.base + range.count > (uint64_t)extent->base + extent->count)
		return -EEXIST;
	rest = (struct dp_range){.base = range.base + range.count,
				 .count = extent->base + extent->count - range.base - range.count};
	if (rest.count)
		err = extent_insert(ranges, i + 1, rest);
	if (err)
		return err;
	extent = &ranges->free.items[i];
	extent->count = range.base - extent->base;
	if (!extent->count)
		extent_remove(ranges, i);
	return 0;
}

int dp_ranges_release(struct dp_ranges *ranges, struct dp_range range)
{
	size_t i = extents_up_to(ranges, range.base);
	struct dp_range *before = i ? &ranges->free.items[i - 1] : NULL;
	struct dp_range *after = i < ranges->free.len ? &ranges->free.items[i] : NULL;
	bool joins_before = before && before->base + before->count == range.base;
	bool joins_after = after && range.base + range.count == after->base;

	if (!range.count)
		return 0;
	if (joins_before && joins_after) {
		before->count += range.count + after->count;
		extent_remove(ranges, i);
	} else if (joins_before) {
		before->count += range.count;
	} else if (joins_after) {
		after->base -= range.count;
		after->count += range.count;
	} else {
		return extent_insert(ranges, i, range);
	}
	return 0;
}

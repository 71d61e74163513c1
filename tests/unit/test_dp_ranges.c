/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "datapath/dp_alloc.h"

#include <errno.h>
#include <string.h>

static void test_ids(void **state)
{
	struct dp_ids ids;
	uint32_t id, first;

	(void)state;
	assert_int_equal(dp_ids_init(&ids, 100), 0);
	assert_int_equal(dp_ids_take(&ids, &first), 0);
	assert_int_not_equal(first, 0);
	for (int i = 1; i < 99; i++)
		assert_int_equal(dp_ids_take(&ids, &id), 0);
	assert_int_equal(dp_ids_take(&ids, &id), -ENOSPC);
	dp_ids_release(&ids, first);
	dp_ids_release(&ids, first);
	assert_int_equal(ids.count, 98);
	assert_int_equal(dp_ids_take(&ids, &id), 0);
	assert_int_equal(id, first);
	assert_int_equal(dp_ids_reserve(&ids, first), -EEXIST);
	assert_int_equal(dp_ids_reserve(&ids, 0), -EINVAL);
	assert_int_equal(dp_ids_reserve(&ids, 100), -EINVAL);
	dp_ids_done(&ids);
}

static void test_released_id_is_used_again_last(void **state)
{
	struct dp_ids ids;
	uint32_t a, b;

	(void)state;
	assert_int_equal(dp_ids_init(&ids, 10), 0);
	assert_int_equal(dp_ids_take(&ids, &a), 0);
	dp_ids_release(&ids, a);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(dp_ids_take(&ids, &b), 0);
		assert_int_not_equal(b, a);
	}
	assert_int_equal(dp_ids_take(&ids, &b), 0);
	assert_int_equal(b, a);
	dp_ids_done(&ids);
}

enum { SIZE = 256 };

/* What is free according to the ranges, element by element; checks their order on the way. */
static void expand(const struct dp_ranges *ranges, uint8_t is_free[SIZE])
{
	uint32_t end = 0;

	memset(is_free, 0, SIZE);
	for (size_t i = 0; i < ranges->free.len; i++) {
		const struct dp_range *extent = &ranges->free.items[i];

		assert_true(extent->count > 0);
		assert_true(i == 0 || extent->base > end);
		end = extent->base + extent->count;
		assert_true(end <= SIZE);
		memset(is_free + extent->base, 1, extent->count);
	}
}

struct reference {
	struct dp_ranges ranges;
	struct dp_range taken[SIZE];
	size_t count;
	uint8_t is_free[SIZE];
	unsigned int seed;
};

static void take(struct reference *r, struct dp_range range)
{
	for (uint32_t i = range.base; i < range.base + range.count; i++) {
		assert_true(r->is_free[i]);
		r->is_free[i] = 0;
	}
	if (range.count)
		r->taken[r->count++] = range;
}

static void random_take(struct reference *r)
{
	struct dp_range range;
	uint32_t count = (uint32_t)rand_r(&r->seed) % 40;
	int err = dp_ranges_take(&r->ranges, count, &range);

	if (!err)
		take(r, range);
	else
		assert_int_equal(err, -ENOSPC);
}

static void random_reserve(struct reference *r)
{
	struct dp_range range = {.base = (uint32_t)rand_r(&r->seed) % SIZE,
				 .count = (uint32_t)rand_r(&r->seed) % 20};
	bool possible = range.base + range.count <= SIZE;

	for (uint32_t i = range.base; possible && i < range.base + range.count; i++)
		possible = r->is_free[i];
	assert_int_equal(dp_ranges_reserve(&r->ranges, range),
			 possible || !range.count ? 0 : -EEXIST);
	if (possible)
		take(r, range);
}

static void random_release(struct reference *r)
{
	size_t i;

	if (!r->count)
		return;
	i = (size_t)rand_r(&r->seed) % r->count;
	assert_int_equal(dp_ranges_release(&r->ranges, r->taken[i]), 0);
	memset(r->is_free + r->taken[i].base, 1, r->taken[i].count);
	r->taken[i] = r->taken[--r->count];
}

static void test_ranges_against_a_reference(void **state)
{
	struct reference r = {.seed = 7};
	uint8_t is_free[SIZE];

	(void)state;
	assert_int_equal(dp_ranges_init(&r.ranges, SIZE), 0);
	memset(r.is_free, 1, SIZE);
	for (int step = 0; step < 20000; step++) {
		switch (rand_r(&r.seed) % 5) {
		case 0:
		case 1:
			random_take(&r);
			break;
		case 2:
			random_reserve(&r);
			break;
		default:
			random_release(&r);
			break;
		}
		expand(&r.ranges, is_free);
		assert_memory_equal(is_free, r.is_free, SIZE);
	}
	while (r.count)
		random_release(&r);
	assert_int_equal(r.ranges.free.len, 1);
	dp_ranges_done(&r.ranges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_released_id_is_used_again_last),
		cmocka_unit_test(test_ranges_against_a_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hashmap.h"
#include "health/spec_pool.h"

static void test_equal_specs_are_one(void **state)
{
	struct probe_spec other = PROBE_SPEC_DEFAULT;
	const struct probe_spec *a, *b, *c;
	struct spec_pool pool;

	(void)state;
	other.fall++;
	assert_int_equal(spec_pool_init(&pool), 0);
	assert_int_equal(spec_pool_get(&pool, &PROBE_SPEC_DEFAULT, &a), 0);
	assert_int_equal(spec_pool_get(&pool, &PROBE_SPEC_DEFAULT, &b), 0);
	assert_int_equal(spec_pool_get(&pool, &other, &c), 0);
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_int_equal(a->fall, PROBE_SPEC_DEFAULT.fall);
	assert_int_equal(c->fall, other.fall);
	assert_int_equal(hashmap_len(pool.specs), 2);
	spec_pool_put(&pool, a);
	assert_int_equal(hashmap_len(pool.specs), 2);
	spec_pool_put(&pool, b);
	spec_pool_put(&pool, NULL);
	assert_int_equal(hashmap_len(pool.specs), 1);
	spec_pool_put(&pool, c);
	assert_int_equal(hashmap_len(pool.specs), 0);
	spec_pool_done(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_specs_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

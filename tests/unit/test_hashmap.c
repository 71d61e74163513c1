/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/hashmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEYS = 512 };

static char values[KEYS];

static int setup(void **state)
{
	return hashmap_new((struct hashmap **)state);
}

static int teardown(void **state)
{
	hashmap_free(*state);
	return 0;
}

static void test_put_get_remove(void **state)
{
	struct hashmap *map = *state;

	assert_null(hashmap_get_str(map, "a"));
	assert_null(hashmap_remove_str(map, "a"));
	assert_int_equal(hashmap_put_str(map, "a", &values[1]), 0);
	assert_int_equal(hashmap_put_str(map, "b", &values[2]), 0);
	assert_ptr_equal(hashmap_get_str(map, "a"), &values[1]);
	assert_int_equal(hashmap_put_str(map, "a", &values[3]), 0);
	assert_int_equal(hashmap_len(map), 2);
	assert_ptr_equal(hashmap_get_str(map, "a"), &values[3]);
	assert_ptr_equal(hashmap_remove_str(map, "a"), &values[3]);
	assert_null(hashmap_get_str(map, "a"));
	assert_ptr_equal(hashmap_get_str(map, "b"), &values[2]);
	assert_int_equal(hashmap_len(map), 1);
}

static void test_keys_are_bytes_and_copied(void **state)
{
	struct hashmap *map = *state;
	char key[] = {'a', 0, 'b'};

	assert_int_equal(hashmap_put(map, key, 3, &values[3]), 0);
	assert_int_equal(hashmap_put(map, key, 1, &values[1]), 0);
	assert_int_equal(hashmap_put(map, key, 0, &values[0]), 0);
	key[2] = 'c';
	assert_null(hashmap_get(map, key, 3));
	assert_ptr_equal(hashmap_get(map, "a\0b", 3), &values[3]);
	assert_ptr_equal(hashmap_get_str(map, "a"), &values[1]);
	assert_ptr_equal(hashmap_get_str(map, ""), &values[0]);
	hashmap_foreach(map, iter)
		assert_int_equal(((const char *)iter.key)[iter.key_size], 0);
}

static void test_iteration_sees_each_once(void **state)
{
	struct hashmap *map = *state;
	int seen[KEYS] = {};

	hashmap_foreach(map, iter)
		fail();
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(hashmap_put(map, &i, sizeof(i), &values[i]), 0);
	hashmap_foreach(map, iter) {
		int key;

		assert_int_equal(iter.key_size, sizeof(key));
		memcpy(&key, iter.key, sizeof(key));
		assert_ptr_equal(iter.value, &values[key]);
		seen[key]++;
	}
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(seen[i], 1);
}

static void test_current_entry_may_be_removed(void **state)
{
	struct hashmap *map = *state;
	int visits = 0;

	for (int i = 0; i < KEYS; i++)
		assert_int_equal(hashmap_put(map, &i, sizeof(i), &values[i]), 0);
	hashmap_foreach(map, iter) {
		int key;

		visits++;
		memcpy(&key, iter.key, sizeof(key));
		if (key % 3)
			assert_ptr_equal(hashmap_remove(map, &key, sizeof(key)), &values[key]);
	}
	assert_int_equal(visits, KEYS);
	for (int i = 0; i < KEYS; i++)
		assert_ptr_equal(hashmap_get(map, &i, sizeof(i)), i % 3 ? NULL : &values[i]);
	hashmap_foreach(map, iter) {
		int key;

		memcpy(&key, iter.key, sizeof(key));
		hashmap_remove(map, &key, sizeof(key));
	}
	assert_int_equal(hashmap_len(map), 0);
}

/* Random operations against an array. */
static void test_behaves_as_an_array(void **state)
{
	struct hashmap *map = *state;
	void *model[KEYS] = {};
	size_t len = 0;

	srand(1);
	for (int step = 0; step < 100000; step++) {
		int key = rand() % KEYS;
		void *value = &values[rand() % KEYS];

		/* Phases that fill and phases that drain. */
		if (rand() % 8 < (step / 10000 % 2 ? 2 : 6)) {
			assert_int_equal(hashmap_put(map, &key, sizeof(key), value), 0);
			len += !model[key];
			model[key] = value;
		} else {
			assert_ptr_equal(hashmap_remove(map, &key, sizeof(key)), model[key]);
			len -= !!model[key];
			model[key] = NULL;
		}
		assert_int_equal(hashmap_len(map), len);
		key = rand() % KEYS;
		assert_ptr_equal(hashmap_get(map, &key, sizeof(key)), model[key]);
	}
	for (int i = 0; i < KEYS; i++)
		assert_ptr_equal(hashmap_get(map, &i, sizeof(i)), model[i]);
}

static void test_free_takes_null(void **state)
{
	(void)state;
	hashmap_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_get_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_are_bytes_and_copied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iteration_sees_each_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_current_entry_may_be_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behaves_as_an_array, setup, teardown),
		cmocka_unit_test(test_free_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

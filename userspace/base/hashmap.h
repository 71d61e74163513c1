/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash map from bytes to pointers. The map owns copies of its keys and borrows the values: whoever
 * removes a value frees it. Order of iteration is arbitrary; removing the current entry while
 * iterating is allowed, adding is not.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hashmap; /* opaque */

/* Returns 0 or -ENOMEM. */
int hashmap_new(struct hashmap **ret);

/* Frees map and keys, not the values. NULL is allowed. */
void hashmap_free(struct hashmap *map);

/* Sets the value (not NULL) of a key. Returns 0 or -ENOMEM; then nothing changed. */
int hashmap_put(struct hashmap *map, const void *key, size_t key_size, void *value);

/* Returns the value or NULL. */
void *hashmap_get(const struct hashmap *map, const void *key, size_t key_size);

/* Removes the key and returns its value, NULL if there was none. */
void *hashmap_remove(struct hashmap *map, const void *key, size_t key_size);

size_t hashmap_len(const struct hashmap *map);

struct hashmap_iter {
	size_t position; /* private; start with {} */
	const void *key; /* borrowed from the map; a NUL follows it */
	size_t key_size;
	void *value;
};

/* Goes to the next entry. Returns 0 when there is none left, else 1. */
int hashmap_next(const struct hashmap *map, struct hashmap_iter *iter);

#define hashmap_foreach(map, iter) for (struct hashmap_iter iter = {}; hashmap_next(map, &iter);)

/* The same for NUL-terminated keys. */
int hashmap_put_str(struct hashmap *map, const char *key, void *value);
void *hashmap_get_str(const struct hashmap *map, const char *key);
void *hashmap_remove_str(struct hashmap *map, const char *key);

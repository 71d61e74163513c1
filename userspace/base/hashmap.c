/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries are dense: entries[0 .. len - 1]. `table` finds them: open addressing with linear
 * probing, an element is 0 (empty) or the number of an entry plus 1, at most 3/4 are taken.
 * Removing moves the last entry into the gap; iteration goes from the last entry to the first, so
 * what moves was seen already.
 *
 * Keys come from whoever may create objects in the cluster: the hash is SipHash with a random key,
 * so that nobody can choose keys that collide.
 */
#include "base/hashmap.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

struct entry {
	uint8_t *key; /* owned, followed by a NUL */
	size_t key_size;
	uint64_t hash;
	void *value;
};

struct hashmap {
	struct entry *entries;
	uint32_t *table;
	size_t len;
	size_t table_size; /* a power of two, or 0 */
	uint64_t seed[2];
};

enum { TABLE_SIZE_MIN = 16 };

static uint64_t rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 of Aumasson and Bernstein. Byte order of the machine: hashes do not leave it. */
static uint64_t hash_key(const struct hashmap *map, const void *key, size_t size)
{
	uint64_t v[4] = {
		map->seed[0] ^ 0x736f6d6570736575,
		map->seed[1] ^ 0x646f72616e646f6d,
		map->seed[0] ^ 0x6c7967656e657261,
		map->seed[1] ^ 0x7465646279746573,
	};
	const uint8_t *bytes = key;
	size_t left = size;
	bool last = false;

	while (!last) {
		uint64_t word = (uint64_t)size << 56;

		last = left < sizeof(word);
		if (left)
			memcpy(&word, bytes, last ? left : sizeof(word));
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
		if (!last) {
			bytes += sizeof(word);
			left -= sizeof(word);
		}
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int hashmap_new(struct hashmap **ret)
{
	struct hashmap *map = calloc(1, sizeof(*map));

	if (!map)
		return -ENOMEM;
	/* Early at boot there may be no entropy yet: then any seed is better than to wait. */
	if (getrandom(map->seed, sizeof(map->seed), GRND_NONBLOCK) < 0)
		map->seed[0] = (uintptr_t)map;
	*ret = map;
	return 0;
}

void hashmap_free(struct hashmap *map)
{
	if (!map)
		return;
	for (size_t i = 0; i < map->len; i++)
		free(map->entries[i].key);
	free(map->entries);
	free(map->table);
	free(map);
}

static size_t home_of(const struct hashmap *map, uint64_t hash)
{
	return hash & (map->table_size - 1);
}

static size_t next_slot(const struct hashmap *map, size_t slot)
{
	return (slot + 1) & (map->table_size - 1);
}

/* Returns the slot of the key, or the empty one where it belongs. */
static size_t find_slot(const struct hashmap *map, uint64_t hash, const void *key, size_t key_size)
{
	size_t slot = home_of(map, hash);

	for (; map->table[slot]; slot = next_slot(map, slot)) {
		const struct entry *entry = &map->entries[map->table[slot] - 1];

		if (entry->hash == hash && entry->key_size == key_size &&
		    (!key_size || memcmp(entry->key, key, key_size) == 0))
			break;
	}
	return slot;
}

/* Returns the slot that holds an entry number. */
static size_t find_slot_of_entry(const struct hashmap *map, size_t index)
{
	size_t slot = home_of(map, map->entries[index].hash);

	while (map->table[slot] != index + 1)
		slot = next_slot(map, slot);
	return slot;
}

static struct entry *find(const struct hashmap *map, const void *key, size_t key_size)
{
	uint32_t number;

	if (!map->len)
		return NULL;
	number = map->table[find_slot(map, hash_key(map, key, key_size), key, key_size)];
	return number ? &map->entries[number - 1] : NULL;
}

static size_t entries_max(size_t table_size)
{
	return table_size / 4 * 3;
}

/* Makes room for one more entry. */
static int grow(struct hashmap *map)
{
	size_t size = map->table_size ? map->table_size * 2 : TABLE_SIZE_MIN;
	_cleanup_free_ uint32_t *table = NULL;
	struct entry *entries;

	if (map->entries && map->len < entries_max(map->table_size))
		return 0;
	if (size > UINT32_MAX)
		return -ENOMEM;
	table = calloc(size, sizeof(*table));
	if (!table)
		return -ENOMEM;
	entries = reallocarray(map->entries, entries_max(size), sizeof(*entries));
	if (!entries)
		return -ENOMEM;

	free(map->table);
	map->table = TAKE_PTR(table);
	map->table_size = size;
	map->entries = entries;
	for (size_t i = 0; i < map->len; i++) {
		size_t slot = home_of(map, entries[i].hash);

		while (map->table[slot])
			slot = next_slot(map, slot);
		map->table[slot] = (uint32_t)i + 1;
	}
	return 0;
}

int hashmap_put(struct hashmap *map, const void *key, size_t key_size, void *value)
{
	struct entry *entry = find(map, key, key_size);
	uint64_t hash;
	uint8_t *copy;
	int r;

	if (entry) {
		entry->value = value;
		return 0;
	}
	r = grow(map);
	if (r < 0)
		return r;
	copy = malloc(key_size + 1);
	if (!copy)
		return -ENOMEM;
	if (key_size)
		memcpy(copy, key, key_size);
	copy[key_size] = '\0';

	hash = hash_key(map, key, key_size);
	map->entries[map->len++] = (struct entry){copy, key_size, hash, value};
	map->table[find_slot(map, hash, key, key_size)] = (uint32_t)map->len;
	return 0;
}

void *hashmap_get(const struct hashmap *map, const void *key, size_t key_size)
{
	const struct entry *entry = find(map, key, key_size);

	return entry ? entry->value : NULL;
}

/* Empties a slot and closes the gap, so that probing from any home still finds its key. */
static void clear_slot(struct hashmap *map, size_t gap)
{
	size_t mask = map->table_size - 1;

	for (size_t slot = next_slot(map, gap); map->table[slot]; slot = next_slot(map, slot)) {
		size_t home = home_of(map, map->entries[map->table[slot] - 1].hash);

		if (((slot - home) & mask) < ((slot - gap) & mask))
			continue;
		map->table[gap] = map->table[slot];
		gap = slot;
	}
	map->table[gap] = 0;
}

void *hashmap_remove(struct hashmap *map, const void *key, size_t key_size)
{
	struct entry *entry = find(map, key, key_size);
	size_t index, last;
	void *value;

	if (!entry)
		return NULL;
	index = (size_t)(entry - map->entries);
	last = map->len - 1;
	value = entry->value;
	clear_slot(map, find_slot_of_entry(map, index));
	free(entry->key);
	if (index != last) {
		map->table[find_slot_of_entry(map, last)] = (uint32_t)index + 1;
		*entry = map->entries[last];
	}
	map->len--;
	return value;
}

size_t hashmap_len(const struct hashmap *map)
{
	return map->len;
}

/* position is the number of the entry returned last plus 1. */
int hashmap_next(const struct hashmap *map, struct hashmap_iter *iter)
{
	size_t next = iter->position ? iter->position - 1 : map->len;
	const struct entry *entry;

	if (!next)
		return 0;
	entry = &map->entries[next - 1];
	*iter = (struct hashmap_iter){next, entry->key, entry->key_size, entry->value};
	return 1;
}

int hashmap_put_str(struct hashmap *map, const char *key, void *value)
{
	return hashmap_put(map, key, strlen(key), value);
}

void *hashmap_get_str(const struct hashmap *map, const char *key)
{
	return hashmap_get(map, key, strlen(key));
}

void *hashmap_remove_str(struct hashmap *map, const char *key)
{
	return hashmap_remove(map, key, strlen(key));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FNV-1a, 64 bits. The hashes of an object's members are added up: that needs no sorting. It is
 * for finding out what has changed, not for defence: nobody gains by a collision in own objects.
 */
#include "source/decode_digest.h"

#include <string.h>

static uint64_t fnv(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	return hash;
}

static const uint64_t fnv_start = 0xcbf29ce484222325;

static uint64_t digest_member(const char *key, json_t *value)
{
	uint64_t digest = decode_digest(value);
	uint64_t member = fnv(fnv_start, &digest, sizeof(digest));

	return fnv(member, key, strlen(key));
}

static uint64_t digest_object(json_t *object)
{
	uint64_t sum = 0;
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
		sum += digest_member(key, value);
	return sum;
}

static uint64_t digest_array(json_t *array)
{
	uint64_t hash = fnv_start;

	for (size_t i = 0; i < json_array_size(array); i++) {
		uint64_t digest = decode_digest(json_array_get(array, i));

		hash = fnv(hash, &digest, sizeof(digest));
	}
	return hash;
}

static uint64_t digest_content(json_t *value)
{
	json_int_t integer = json_integer_value(value);
	double real = json_real_value(value);

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return digest_object(value);
	case JSON_ARRAY:
		return digest_array(value);
	case JSON_STRING:
		return fnv(fnv_start, json_string_value(value), json_string_length(value));
	case JSON_INTEGER:
		return fnv(fnv_start, &integer, sizeof(integer));
	case JSON_REAL:
		return fnv(fnv_start, &real, sizeof(real));
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		break;
	}
	return fnv_start;
}

uint64_t decode_digest(json_t *value)
{
	unsigned char type = (unsigned char)json_typeof(value);
	uint64_t content = digest_content(value);

	return fnv(fnv(fnv_start, &type, 1), &content, sizeof(content));
}

uint64_t decode_digest_object(json_t *object)
{
	uint64_t sum = 0;
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		if (strcmp(key, "kind") != 0 && strcmp(key, "apiVersion") != 0)
			sum += digest_member(key, value);
	}
	return sum;
}

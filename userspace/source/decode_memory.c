/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks from which pieces are cut off one after the other; a piece is never given back alone.
 * jansson's allocation functions are global: they are ours only while decode_memory_load() runs,
 * and calls from other threads in that time go where they would have gone anyway.
 */
#include "source/decode_memory.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

struct decode_chunk {
	struct decode_chunk *next;
	alignas(max_align_t) unsigned char bytes[];
};

enum { CHUNK_SIZE = 256 * 1024, ALIGNMENT = alignof(max_align_t) };

static _Thread_local struct decode_memory *current;
static json_malloc_t outer_malloc;
static json_free_t outer_free;

static int memory_grow(struct decode_memory *memory, size_t size)
{
	size_t bytes = size > CHUNK_SIZE ? size : CHUNK_SIZE;
	struct decode_chunk *chunk = malloc(sizeof(*chunk) + bytes);

	if (!chunk)
		return -ENOMEM;
	chunk->next = memory->chunks;
	memory->chunks = chunk;
	memory->free = chunk->bytes;
	memory->left = bytes;
	return 0;
}

static void *memory_alloc(size_t size)
{
	size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	void *piece;

	if (!current)
		return outer_malloc(size);
	if (rounded > SIZE_MAX / 2 ||
	    (rounded > current->left && memory_grow(current, rounded) < 0))
		longjmp(current->no_memory, 1);
	piece = current->free;
	current->free += rounded;
	current->left -= rounded;
	return piece;
}

static void memory_free(void *piece)
{
	if (!current)
		outer_free(piece);
}

/* On its own, so that no local variable lives across setjmp(). */
static int load_or_leave(struct decode_memory *memory, const char *text, size_t size,
			 json_t **ret_root, json_error_t *ret_error)
{
	if (setjmp(memory->no_memory))
		return -ENOMEM;
	*ret_root = json_loadb(text, size, 0, ret_error);
	return *ret_root ? 0 : -EINVAL;
}

int decode_memory_load(struct decode_memory *memory, const char *text, size_t size,
		       json_t **ret_root, json_error_t *ret_error)
{
	int r;

	json_get_alloc_funcs(&outer_malloc, &outer_free);
	json_set_alloc_funcs(memory_alloc, memory_free);
	current = memory;
	r = load_or_leave(memory, text, size, ret_root, ret_error);
	current = NULL;
	json_set_alloc_funcs(outer_malloc, outer_free);
	return r;
}

void decode_memory_done(struct decode_memory *memory)
{
	while (memory->chunks) {
		struct decode_chunk *chunk = memory->chunks;

		memory->chunks = chunk->next;
		free(chunk);
	}
}

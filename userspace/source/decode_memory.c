/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks from which pieces are cut off one after the other; a piece is never given back alone.
 * jansson's allocation functions are global: they are ours only while decode_memory_load() runs,
 * and calls from other threads in that time go where they would have gone anyway.
 */
#include "source/decode_memory.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

struct decode_chunk {
	struct decode_chunk *next;
	size_t mapped; /* bytes of a mapping; 0: from malloc() */
	alignas(max_align_t) unsigned char bytes[];
};

enum { CHUNK_FIRST = 64 * 1024, CHUNK_MORE = 1024 * 1024, ALIGNMENT = alignof(max_align_t) };

static _Thread_local struct decode_memory *current;
static json_malloc_t outer_malloc;
static json_free_t outer_free;

/*
 * The first chunk, enough for most documents, comes from the heap, which has it at hand. More is mapped,
 * so that it goes back to the system: on the heap it would stay as a hole below the objects that were
 * made of the document.
 */
static struct decode_chunk *chunk_new(bool first, size_t bytes)
{
	size_t size = sizeof(struct decode_chunk) + bytes;
	struct decode_chunk *chunk;

	if (first) {
		chunk = malloc(size);
		if (chunk)
			chunk->mapped = 0;
		return chunk;
	}
	chunk = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (chunk == MAP_FAILED)
		return NULL;
	chunk->mapped = size;
	return chunk;
}

static void chunk_free(struct decode_chunk *chunk)
{
	if (chunk->mapped)
		munmap(chunk, chunk->mapped);
	else
		free(chunk);
}

static int memory_grow(struct decode_memory *memory, size_t size)
{
	bool first = !memory->chunks && size <= CHUNK_FIRST;
	size_t least = first ? CHUNK_FIRST : CHUNK_MORE;
	size_t bytes = size > least ? size : least;
	struct decode_chunk *chunk = chunk_new(first, bytes);

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
		chunk_free(chunk);
	}
}

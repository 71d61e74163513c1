/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one JSON document. jansson 2.14 does not survive a failed allocation: its lexer loses
 * the byte that did not fit and goes on, so a string comes out shorter, or is read beyond its end.
 * So jansson never sees one: it takes from this memory, and when that can not grow, parsing is
 * left by longjmp() and everything is freed at once. It is also faster than freeing each value.
 */
#pragma once

#include <jansson.h>
#include <setjmp.h>
#include <stddef.h>

struct decode_memory {
	/* private; start with {} */
	struct decode_chunk *chunks;
	unsigned char *free;
	size_t left;
	jmp_buf no_memory;
};

/*
 * Parses text into *ret_root, which lives until decode_memory_done() and must be only read: no
 * json_decref(), nothing that allocates. Returns 0, -EINVAL with *ret_error filled, or -ENOMEM.
 */
int decode_memory_load(struct decode_memory *memory, const char *text, size_t size,
		       json_t **ret_root, json_error_t *ret_error);

void decode_memory_done(struct decode_memory *memory);

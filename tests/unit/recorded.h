/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded answers of API servers, tests/data/kube. Include after <cmocka.h>. */
#pragma once

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline char *recorded_read(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "re");
	char *text;
	long size;

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	assert_true(size >= 0);
	rewind(file);
	text = calloc(1, (size_t)size + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)size, file), size);
	fclose(file);
	*ret_size = (size_t)size;
	return text;
}

/* The body of a raw answer, with its chunks joined; the caller frees it. */
static inline char *recorded_body(const char *path, size_t *ret_size)
{
	size_t size;
	size_t len = 0;
	char *raw = recorded_read(path, &size);
	char *at = strstr(raw, "\r\n\r\n");
	char *end = raw + size;

	assert_non_null(at);
	at += 4;
	if (!strstr(raw, "Transfer-Encoding: chunked")) {
		len = (size_t)(end - at);
		memmove(raw, at, len);
		at = end;
	}
	while (at < end) {
		unsigned int chunk;
		int used;

		if (sscanf(at, "%x\r\n%n", &chunk, &used) != 1 || chunk == 0)
			break;
		at += used;
		if (chunk > (size_t)(end - at))
			chunk = (unsigned int)(end - at);
		memmove(raw + len, at, chunk);
		len += chunk;
		at += chunk;
		if (end - at >= 2)
			at += 2;
	}
	raw[len] = '\0';
	*ret_size = len;
	return raw;
}

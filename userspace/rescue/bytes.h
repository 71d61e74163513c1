/* SPDX-License-Identifier: Apache-2.0 */
/* A growing string of bytes that is taken from the front. Owns its memory; starts with {}. */
#pragma once

#include <stddef.h>

struct bytes {
	char *items;
	size_t len;
	size_t cap;
};

/* Appends, or changes nothing and returns -ENOMEM. */
int bytes_append(struct bytes *bytes, const void *data, size_t len);

/* Removes from the front; len at most bytes->len. */
void bytes_drop(struct bytes *bytes, size_t len);

/* Gives memory back, once most of it is unused. */
void bytes_trim(struct bytes *bytes);

/* Frees the memory and leaves an empty string. */
void bytes_done(struct bytes *bytes);

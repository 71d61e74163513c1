/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int bytes_append(struct bytes *bytes, const void *data, size_t len)
{
	size_t cap = bytes->cap ? bytes->cap : 1024;
	char *items;

	if (!len)
		return 0;
	while (cap - bytes->len < len)
		cap *= 2;
	if (cap != bytes->cap) {
		items = realloc(bytes->items, cap);
		if (!items)
			return -ENOMEM;
		bytes->items = items;
		bytes->cap = cap;
	}
	memcpy(bytes->items + bytes->len, data, len);
	bytes->len += len;
	return 0;
}

void bytes_drop(struct bytes *bytes, size_t len)
{
	bytes->len -= len;
	if (bytes->len)
		memmove(bytes->items, bytes->items + len, bytes->len);
}

void bytes_trim(struct bytes *bytes)
{
	size_t cap = bytes->cap;
	char *items;

	while (cap > 1024 && cap / 4 >= bytes->len)
		cap /= 2;
	if (cap == bytes->cap)
		return;
	items = realloc(bytes->items, cap);
	if (!items)
		return;
	bytes->items = items;
	bytes->cap = cap;
}

void bytes_done(struct bytes *bytes)
{
	free(bytes->items);
	*bytes = (struct bytes){};
}

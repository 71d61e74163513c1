/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/http_chunked.h"

#include <errno.h>

enum {
	SIZE,      /* digits of the size of a chunk */
	EXTENSION, /* up to the end of that line */
	SIZE_LF,   /* the CR of it was seen */
	DATA,      /* `left` bytes */
	DATA_CR,   /* behind the data */
	DATA_LF,
	TRAILER, /* at the beginning of a line behind the last chunk */
	TRAILER_REST,
	END_LF, /* the CR of the empty line was seen */
};

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The first line of a chunk. Returns false for what can not be there. */
static bool feed_size(struct http_chunked *chunked, char c)
{
	int value = hex_value(c);

	if (value >= 0) {
		chunked->left = chunked->left * 16 + (uint64_t)value;
		return ++chunked->digits <= 15;
	}
	if (!chunked->digits || (c != '\r' && c != ';' && c != ' ' && c != '\t'))
		return false;
	chunked->state = c == '\r' ? SIZE_LF : EXTENSION;
	return true;
}

static bool expect(struct http_chunked *chunked, char c, char expected, uint8_t next)
{
	chunked->state = next;
	return c == expected;
}

/* One byte that is no data. Returns false for what can not be there. */
static bool feed_byte(struct http_chunked *chunked, char c, bool *end)
{
	switch (chunked->state) {
	case SIZE:
		return feed_size(chunked, c);
	case EXTENSION:
		if (c == '\r')
			chunked->state = SIZE_LF;
		return c != '\n';
	case SIZE_LF:
		chunked->digits = 0;
		return expect(chunked, c, '\n', chunked->left ? DATA : TRAILER);
	case DATA_CR:
		return expect(chunked, c, '\r', DATA_LF);
	case DATA_LF:
		return expect(chunked, c, '\n', SIZE);
	case TRAILER:
		chunked->state = c == '\r' ? END_LF : TRAILER_REST;
		return c != '\n';
	case TRAILER_REST:
		if (c == '\n')
			chunked->state = TRAILER;
		return true;
	default:
		*end = true;
		return c == '\n';
	}
}

ptrdiff_t http_chunked_feed(struct http_chunked *chunked, const char *data, size_t len,
			    bool *ret_end)
{
	size_t at = 0;
	bool end = false;

	while (at < len && !end) {
		if (chunked->state == DATA) {
			size_t n = len - at < chunked->left ? len - at : (size_t)chunked->left;

			chunked->left -= n;
			at += n;
			if (!chunked->left)
				chunked->state = DATA_CR;
		} else if (!feed_byte(chunked, data[at++], &end)) {
			return -EBADMSG;
		}
	}
	*ret_end = end;
	return (ptrdiff_t)at;
}

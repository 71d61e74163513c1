/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/http_request.h"

#include "rescue/http_chunked.h"
#include "rescue/http_field.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* What the header fields say. */
struct framing {
	bool has_length;
	bool chunked;
	uint64_t length;
	enum http_request_verdict obstacle; /* WHOLE: none */
};

/* "METHOD TARGET HTTP/1.x": two spaces, none else. `len` is without the CRLF. */
static bool is_request_line(const char *line, size_t len)
{
	static const char version[] = " HTTP/1.";
	const size_t tail = sizeof(version); /* with the digit in place of the NUL */
	const char *space = memchr(line, ' ', len);

	if (!space || space == line || len < tail + 2)
		return false;
	if (memcmp(line + len - tail, version, sizeof(version) - 1) ||
	    (line[len - 1] != '0' && line[len - 1] != '1'))
		return false;
	/* The target lies between the two, and is not empty. */
	if (space + 1 >= line + len - tail)
		return false;
	return !memchr(space + 1, ' ', (size_t)(line + len - tail - (space + 1)));
}

static enum http_request_verdict read_length(const struct http_field *field,
					     struct framing *framing)
{
	uint64_t length;

	if (http_field_number(field, &length) || (framing->has_length && framing->length != length))
		return HTTP_REQUEST_MALFORMED;
	framing->has_length = true;
	framing->length = length;
	return HTTP_REQUEST_WHOLE;
}

/* Returns WHOLE if the field is well formed. */
static enum http_request_verdict read_field(const struct http_field *field, struct framing *framing)
{
	if (http_field_is(field, "Content-Length"))
		return read_length(field, framing);
	if (http_field_is(field, "Transfer-Encoding")) {
		if (framing->chunked || field->value_len != strlen("chunked") ||
		    !http_field_has(field, "chunked"))
			return HTTP_REQUEST_MALFORMED;
		framing->chunked = true;
	}
	if (http_field_is(field, "Expect"))
		framing->obstacle = HTTP_REQUEST_EXPECT;
	if (http_field_is(field, "Upgrade") ||
	    (http_field_is(field, "Connection") && http_field_has(field, "upgrade")))
		framing->obstacle = HTTP_REQUEST_UPGRADE;
	return HTTP_REQUEST_WHOLE;
}

static enum http_request_verdict body_verdict(const struct framing *framing, const char *body,
					      size_t len)
{
	struct http_chunked chunked = {};
	bool end = false;
	ptrdiff_t used;

	if (framing->chunked && framing->has_length)
		return HTTP_REQUEST_MALFORMED;
	if (!framing->chunked) {
		if (len < framing->length)
			return HTTP_REQUEST_PARTIAL;
		return len > framing->length ? HTTP_REQUEST_PIPELINED : HTTP_REQUEST_WHOLE;
	}
	used = http_chunked_feed(&chunked, body, len, &end);
	if (used < 0)
		return HTTP_REQUEST_MALFORMED;
	if (!end)
		return HTTP_REQUEST_PARTIAL;
	return (size_t)used < len ? HTTP_REQUEST_PIPELINED : HTTP_REQUEST_WHOLE;
}

/* Reads the head, moves *at behind it. */
static enum http_request_verdict head_verdict(const char *data, size_t len, size_t *at,
					      struct framing *framing)
{
	size_t line_len = http_line_len(data, len, 0);
	struct http_field field;
	int r;

	if (!line_len)
		return HTTP_REQUEST_PARTIAL;
	if (line_len < 2 || data[line_len - 2] != '\r' || !is_request_line(data, line_len - 2))
		return HTTP_REQUEST_MALFORMED;
	*at = line_len;
	while ((r = http_field_next(data, len, at, &field)) > 0) {
		enum http_request_verdict verdict = read_field(&field, framing);

		if (verdict != HTTP_REQUEST_WHOLE)
			return verdict;
	}
	if (r == -EAGAIN)
		return HTTP_REQUEST_PARTIAL;
	return r < 0 ? HTTP_REQUEST_MALFORMED : HTTP_REQUEST_WHOLE;
}

bool http_request_is_whole(const char *data, size_t len, uint64_t size)
{
	struct framing framing = {};
	size_t at = 0;

	if (size < len || head_verdict(data, len, &at, &framing) != HTTP_REQUEST_WHOLE)
		return false;
	/* An offer to upgrade does not change where the request ends. */
	if (framing.obstacle == HTTP_REQUEST_EXPECT)
		return false;
	if (size > len)
		return !framing.chunked && framing.length == size - at;
	return body_verdict(&framing, data + at, len - at) == HTTP_REQUEST_WHOLE;
}

enum http_request_verdict http_request_parse(const char *data, size_t len, struct http_request *ret)
{
	enum http_request_verdict verdict;
	struct framing framing = {};
	size_t at = 0;

	verdict = head_verdict(data, len, &at, &framing);
	if (verdict != HTTP_REQUEST_MALFORMED && framing.obstacle != HTTP_REQUEST_WHOLE)
		return framing.obstacle;
	if (verdict == HTTP_REQUEST_WHOLE)
		verdict = body_verdict(&framing, data + at, len - at);
	if (verdict == HTTP_REQUEST_WHOLE)
		*ret = (struct http_request){.line_len = http_line_len(data, len, 0),
					     .is_head = !strncmp(data, "HEAD ", 5)};
	return verdict;
}

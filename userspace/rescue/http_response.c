/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/http_response.h"

#include "base/cleanup.h"
#include "rescue/http_field.h"

#include <errno.h>
#include <string.h>

/* What the head says. */
struct head {
	unsigned int status;
	size_t len;   /* up to and with the empty line */
	size_t lines; /* without the empty one */
	bool has_length;
	bool encoded; /* has a transfer coding, of which … */
	bool chunked; /* … the last is chunked */
	uint64_t length;
};

/* Returns the status of "HTTP/1.x sss …", 0 if the line is none. */
static unsigned int parse_status(const char *line, size_t len)
{
	unsigned int status = 0;

	if (len < sizeof("HTTP/1.1 200") - 1 + 2 || memcmp(line, "HTTP/1.", 7) ||
	    (line[7] != '0' && line[7] != '1') || line[8] != ' ' || line[len - 2] != '\r')
		return 0;
	for (size_t i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		status = status * 10 + (unsigned int)(line[i] - '0');
	}
	return line[12] == ' ' || line[12] == '\r' ? status : 0;
}

static int read_field(const struct http_field *field, struct head *head)
{
	uint64_t length;

	if (http_field_is(field, "Content-Length")) {
		if (http_field_number(field, &length) ||
		    (head->has_length && head->length != length))
			return -EBADMSG;
		head->has_length = true;
		head->length = length;
	} else if (http_field_is(field, "Transfer-Encoding")) {
		size_t word = strlen("chunked");

		head->encoded = true;
		head->chunked =
			http_field_has(field, "chunked") &&
			!strncasecmp(field->value + field->value_len - word, "chunked", word);
	}
	return 0;
}

/* Returns 1 if the head is all there, 0 if not, -EBADMSG, or -EMSGSIZE if it has too many lines. */
static int parse_head(const struct bytes *bytes, size_t lines_max, struct head *ret)
{
	size_t line_len = http_line_len(bytes->items, bytes->len, 0), at = line_len;
	struct http_field field;
	struct head head = {.lines = 1};
	int r;

	if (!line_len)
		return 0;
	head.status = parse_status(bytes->items, line_len);
	if (head.status < 100)
		return -EBADMSG;
	while ((r = http_field_next(bytes->items, bytes->len, &at, &field)) > 0) {
		r = ++head.lines > lines_max ? -EMSGSIZE : read_field(&field, &head);
		if (r < 0)
			return r;
	}
	if (r == -EAGAIN)
		return 0;
	head.len = at;
	*ret = head;
	return r < 0 ? r : 1;
}

/* What "Connection" names. */
struct named {
	struct http_element items[HTTP_RESPONSE_NAMED_MAX];
	size_t len;
};

static int add_named(const struct http_field *field, struct named *named)
{
	struct http_element element;
	size_t at = 0;

	while (http_field_element(field, &at, &element)) {
		if (named->len == ARRAY_SIZE(named->items))
			return -EMSGSIZE;
		named->items[named->len++] = element;
	}
	return 0;
}

static int read_named(const struct bytes *bytes, size_t head_len, struct named *ret)
{
	size_t at = http_line_len(bytes->items, head_len, 0);
	struct http_field field;
	int err = 0;

	while (!err && http_field_next(bytes->items, head_len, &at, &field) > 0) {
		if (http_field_is(&field, "Connection"))
			err = add_named(&field, ret);
	}
	return err;
}

/* The framing is the message's, whatever "Connection" says. */
static bool is_hop_by_hop(const struct http_field *field, const struct named *named)
{
	if (http_field_is(field, "Connection") || http_field_is(field, "Keep-Alive") ||
	    http_field_is(field, "Proxy-Connection"))
		return true;
	if (http_field_is(field, "Content-Length") || http_field_is(field, "Transfer-Encoding"))
		return false;
	for (size_t i = 0; i < named->len; i++) {
		if (http_field_is_element(field, &named->items[i]))
			return true;
	}
	return false;
}

static int write_head(const struct bytes *bytes, size_t head_len, struct bytes *out)
{
	static const char end[] = "Connection: close\r\n\r\n";
	size_t at = http_line_len(bytes->items, head_len, 0);
	struct http_field field;
	struct named named = {};
	int err = read_named(bytes, head_len, &named);

	if (!err)
		err = bytes_append(out, bytes->items, at);
	while (!err && http_field_next(bytes->items, head_len, &at, &field) > 0) {
		if (!is_hop_by_hop(&field, &named))
			err = bytes_append(out, field.line, field.line_len);
	}
	return err ? err : bytes_append(out, end, sizeof(end) - 1);
}

static void begin_body(struct http_response *response, const struct head *head)
{
	response->status = head->status;
	if (response->to_head || head->status == 204 || head->status == 304) {
		response->state = HTTP_RESPONSE_DONE;
	} else if (head->encoded) {
		response->state = head->chunked ? HTTP_RESPONSE_CHUNKED : HTTP_RESPONSE_TO_CLOSE;
	} else if (head->has_length) {
		response->left = head->length;
		response->state = head->length ? HTTP_RESPONSE_LENGTH : HTTP_RESPONSE_DONE;
	} else {
		response->state = HTTP_RESPONSE_TO_CLOSE;
	}
}

static int feed_body(struct http_response *response, const char *data, size_t len,
		     struct bytes *out)
{
	bool end = false;
	ptrdiff_t used;

	switch (response->state) {
	case HTTP_RESPONSE_LENGTH:
		if (len > response->left)
			len = (size_t)response->left;
		response->left -= len;
		if (!response->left)
			response->state = HTTP_RESPONSE_DONE;
		return bytes_append(out, data, len);
	case HTTP_RESPONSE_CHUNKED:
		used = http_chunked_feed(&response->chunked, data, len, &end);
		if (used < 0)
			return (int)used;
		if (end)
			response->state = HTTP_RESPONSE_DONE;
		return bytes_append(out, data, (size_t)used);
	case HTTP_RESPONSE_TO_CLOSE:
		return bytes_append(out, data, len);
	case HTTP_RESPONSE_HEAD:
	case HTTP_RESPONSE_DONE:
		break;
	}
	return 0;
}

/* One head was found. Returns 0 or a negative errno. */
static int take_head(struct http_response *response, const struct head *head, struct bytes *out)
{
	int err;

	if (head->status == 101)
		return -EBADMSG;
	if (response->interim_len + head->len > HTTP_RESPONSE_HEAD_MAX)
		return -EMSGSIZE;
	if (head->status < 200) {
		response->interim_len += head->len;
		response->interim_lines += head->lines;
		err = bytes_append(out, response->head.items, head->len);
		bytes_drop(&response->head, head->len);
		return err;
	}
	err = write_head(&response->head, head->len, out);
	if (err)
		return err;
	begin_body(response, head);
	return feed_body(response, response->head.items + head->len, response->head.len - head->len,
			 out);
}

/* Looks for the next head. Returns 1 if there was one, 0 if more is needed, or a negative errno. */
static int read_head(struct http_response *response, struct bytes *out)
{
	size_t lines_max = HTTP_RESPONSE_LINES_MAX - response->interim_lines;
	struct head head;
	int r = lines_max ? parse_head(&response->head, lines_max, &head) : -EMSGSIZE;

	if (r <= 0)
		return r;
	r = take_head(response, &head, out);
	return r < 0 ? r : 1;
}

static int feed_head(struct http_response *response, const char *data, size_t len,
		     struct bytes *out)
{
	int r = bytes_append(&response->head, data, len);

	if (r)
		return r;
	/* Looked at again only when a line has ended: there are few of them, however small the pieces. */
	if (memchr(data, '\n', len)) {
		do
			r = read_head(response, out);
		while (r > 0 && response->state == HTTP_RESPONSE_HEAD);
	}
	if (r == 0 && response->interim_len + response->head.len > HTTP_RESPONSE_HEAD_MAX)
		return -EMSGSIZE;
	return r < 0 ? r : 0;
}

int http_response_feed(struct http_response *response, const char *data, size_t len,
		       struct bytes *out)
{
	int err;

	if (response->state != HTTP_RESPONSE_HEAD)
		return feed_body(response, data, len, out);
	err = feed_head(response, data, len, out);
	if (err || response->state != HTTP_RESPONSE_HEAD)
		bytes_done(&response->head);
	return err;
}

bool http_response_close(struct http_response *response)
{
	if (response->state == HTTP_RESPONSE_TO_CLOSE)
		response->state = HTTP_RESPONSE_DONE;
	return response->state == HTTP_RESPONSE_DONE;
}

void http_response_free(struct http_response *response)
{
	bytes_done(&response->head);
}

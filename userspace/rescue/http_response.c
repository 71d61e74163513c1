/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/http_response.h"

#include "rescue/http_field.h"

#include <errno.h>
#include <string.h>

/* What the head says. */
struct head {
	unsigned int status;
	size_t len; /* up to and with the empty line */
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

/* Returns 1 if the head is all there, 0 if not, or -EBADMSG. */
static int parse_head(const struct bytes *bytes, struct head *ret)
{
	size_t line_len = http_line_len(bytes->items, bytes->len, 0), at = line_len;
	struct http_field field;
	struct head head = {};
	int r;

	if (!line_len)
		return 0;
	head.status = parse_status(bytes->items, line_len);
	if (head.status < 100)
		return -EBADMSG;
	while ((r = http_field_next(bytes->items, bytes->len, &at, &field)) > 0) {
		r = read_field(&field, &head);
		if (r < 0)
			return r;
	}
	if (r == -EAGAIN)
		return 0;
	head.len = at;
	*ret = head;
	return r < 0 ? r : 1;
}

/* "Connection" may name further fields. The framing is the message's, whatever it says. */
static bool is_named_by_connection(const struct bytes *bytes, size_t head_len,
				   const struct http_field *field)
{
	size_t at = http_line_len(bytes->items, head_len, 0);
	struct http_field other;

	if (http_field_is(field, "Content-Length") || http_field_is(field, "Transfer-Encoding"))
		return false;
	while (http_field_next(bytes->items, head_len, &at, &other) > 0) {
		if (http_field_is(&other, "Connection") && http_field_names(&other, field))
			return true;
	}
	return false;
}

static bool is_hop_by_hop(const struct bytes *bytes, size_t head_len,
			  const struct http_field *field)
{
	return http_field_is(field, "Connection") || http_field_is(field, "Keep-Alive") ||
	       http_field_is(field, "Proxy-Connection") ||
	       is_named_by_connection(bytes, head_len, field);
}

static int write_head(const struct bytes *bytes, size_t head_len, struct bytes *out)
{
	static const char end[] = "Connection: close\r\n\r\n";
	size_t at = http_line_len(bytes->items, head_len, 0);
	int err = bytes_append(out, bytes->items, at);
	struct http_field field;

	while (!err && http_field_next(bytes->items, head_len, &at, &field) > 0) {
		if (!is_hop_by_hop(bytes, head_len, &field))
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
	if (head->status < 200) {
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

int http_response_feed(struct http_response *response, const char *data, size_t len,
		       struct bytes *out)
{
	struct head head;
	int r;

	if (response->state != HTTP_RESPONSE_HEAD)
		return feed_body(response, data, len, out);
	r = bytes_append(&response->head, data, len);
	while (!r && response->state == HTTP_RESPONSE_HEAD) {
		r = parse_head(&response->head, &head);
		if (r == 0)
			return response->head.len > HTTP_RESPONSE_HEAD_MAX ? -EMSGSIZE : 0;
		r = r < 0 ? r : take_head(response, &head, out);
	}
	bytes_done(&response->head);
	return r;
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/http_field.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

size_t http_line_len(const char *data, size_t len, size_t at)
{
	const char *end = at < len ? memchr(data + at, '\n', len - at) : NULL;

	return end ? (size_t)(end - (data + at)) + 1 : 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 9110, 5.6.2. */
static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* `line` without its CRLF. */
static int parse(struct http_field *field, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	const char *value, *end = line + len;

	if (!colon || colon == line)
		return -EBADMSG;
	for (const char *c = line; c < colon; c++) {
		if (!is_token_char(*c))
			return -EBADMSG;
	}
	for (value = colon + 1; value < end && is_space(*value); value++)
		;
	while (end > value && is_space(end[-1]))
		end--;
	if (memchr(value, '\r', (size_t)(end - value)) || memchr(value, 0, (size_t)(end - value)))
		return -EBADMSG;
	field->name = line;
	field->name_len = (size_t)(colon - line);
	field->value = value;
	field->value_len = (size_t)(end - value);
	return 1;
}

int http_field_next(const char *data, size_t len, size_t *at, struct http_field *ret)
{
	const char *line = data + *at;
	size_t line_len = http_line_len(data, len, *at);
	int r;

	if (!line_len)
		return -EAGAIN;
	if (line_len < 2 || line[line_len - 2] != '\r')
		return -EBADMSG;
	r = line_len == 2 ? 0 : parse(ret, line, line_len - 2);
	if (r < 0)
		return r;
	ret->line = line;
	ret->line_len = line_len;
	*at += line_len;
	return r;
}

static bool is_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && !strncasecmp(a, b, a_len);
}

bool http_field_is(const struct http_field *field, const char *name)
{
	return is_same(field->name, field->name_len, name, strlen(name));
}

static bool list_has(const struct http_field *field, const char *token, size_t token_len)
{
	const char *at = field->value, *end = at + field->value_len;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *last = comma ? comma : end;

		while (at < last && is_space(*at))
			at++;
		while (last > at && is_space(last[-1]))
			last--;
		if (is_same(at, (size_t)(last - at), token, token_len))
			return true;
		if (!comma)
			return false;
		at = comma + 1;
	}
	return false;
}

bool http_field_has(const struct http_field *field, const char *token)
{
	return list_has(field, token, strlen(token));
}

bool http_field_names(const struct http_field *field, const struct http_field *other)
{
	return list_has(field, other->name, other->name_len);
}

int http_field_number(const struct http_field *field, uint64_t *ret)
{
	uint64_t number = 0;

	if (!field->value_len || field->value_len > 18)
		return -EBADMSG;
	for (size_t i = 0; i < field->value_len; i++) {
		if (field->value[i] < '0' || field->value[i] > '9')
			return -EBADMSG;
		number = number * 10 + (uint64_t)(field->value[i] - '0');
	}
	*ret = number;
	return 0;
}

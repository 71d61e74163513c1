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

bool http_field_element(const struct http_field *field, size_t *at, struct http_element *ret)
{
	const char *next = field->value + *at, *end = field->value + field->value_len;

	while (next < end) {
		const char *comma = memchr(next, ',', (size_t)(end - next));
		const char *first = next, *last = comma ? comma : end;

		next = comma ? comma + 1 : end;
		while (first < last && is_space(*first))
			first++;
		while (last > first && is_space(last[-1]))
			last--;
		if (first < last) {
			*at = (size_t)(next - field->value);
			*ret = (struct http_element){first, (size_t)(last - first)};
			return true;
		}
	}
	return false;
}

bool http_field_has(const struct http_field *field, const char *token)
{
	struct http_element element;
	size_t at = 0;

	while (http_field_element(field, &at, &element)) {
		if (is_same(element.text, element.len, token, strlen(token)))
			return true;
	}
	return false;
}

bool http_field_is_element(const struct http_field *field, const struct http_element *element)
{
	return is_same(field->name, field->name_len, element->text, element->len);
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

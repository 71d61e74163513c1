/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header fields of HTTP/1.x (RFC 9112, 5), strictly: lines end with CRLF, and a line that
 * continues the one before (obs-fold) is refused. Pure; nothing is copied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_field {
	const char *line; /* all of it, with the CRLF */
	size_t line_len;
	const char *name;
	size_t name_len;
	const char *value; /* without the spaces around it */
	size_t value_len;
};

/*
 * The line that begins at data[*at]; moves *at behind it. Returns 1; 0 if it is the empty line that
 * ends the head; -EAGAIN if it is not all there, -EBADMSG if it is no field.
 */
int http_field_next(const char *data, size_t len, size_t *at, struct http_field *ret);

/* Length of the line that begins at data[at], with its CRLF; 0 if that is not there yet. */
size_t http_line_len(const char *data, size_t len, size_t at);

/* Names are compared without regard to case. */
bool http_field_is(const struct http_field *field, const char *name);

/* Whether the value, a list with commas, has this token; without regard to case. */
bool http_field_has(const struct http_field *field, const char *token);

/* An element of a value that is a list with commas, without the spaces around it. */
struct http_element {
	const char *text;
	size_t len;
};

/*
 * The next element that is not empty from byte *at of the value on, 0 at first; moves *at behind it.
 * Returns false when there is none.
 */
bool http_field_element(const struct http_field *field, size_t *at, struct http_element *ret);

/* Whether an element is the field's name. */
bool http_field_is_element(const struct http_field *field, const struct http_element *element);

/* The value as a plain decimal number below 2^63. Returns 0 or -EBADMSG. */
int http_field_number(const struct http_field *field, uint64_t *ret);

/* SPDX-License-Identifier: Apache-2.0 */
#include "source/base64.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static int digit_value(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Takes the padding at the end: at most two, and to a multiple of four. */
static bool is_padding(const char *text, size_t digits)
{
	size_t padding = 0;

	for (; *text; text++) {
		if (*text == '=')
			padding++;
		else if (!strchr(" \t\r\n", *text))
			return false;
	}
	return padding <= 2 && (digits + padding) % 4 == 0;
}

int base64_decode(const char *text, char **ret)
{
	_cleanup_free_ char *out = malloc(strlen(text) / 4 * 3 + 4);
	uint32_t bits = 0;
	size_t digits = 0;
	size_t len = 0;

	if (!out)
		return -ENOMEM;
	for (; *text && *text != '='; text++) {
		int value = digit_value(*text);

		if (value < 0 && strchr(" \t\r\n", *text))
			continue;
		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		if (digits++ % 4 != 0)
			out[len++] = (char)(bits >> (6 - 2 * ((digits - 1) % 4)));
	}
	if (!is_padding(text, digits) || memchr(out, '\0', len))
		return -EINVAL;
	out[len] = '\0';
	*ret = TAKE_PTR(out);
	return 0;
}

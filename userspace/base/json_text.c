/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

#include "base/duration.h"

#include <stdbool.h>
#include <stddef.h>

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/*
 * Length of the well-formed sequence of two to four bytes at the beginning, 0 if there is none
 * (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing beyond U+10FFFF).
 */
static size_t sequence_len(const unsigned char *text)
{
	size_t len = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (!is_continuation(text[i]))
			return 0;
	}
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return len;
}

/* Returns how many bytes it took. */
static size_t write_wide(FILE *out, const unsigned char *text)
{
	size_t len = sequence_len(text);

	if (!len) {
		fputs_unlocked("\\ufffd", out);
		return 1;
	}
	for (size_t i = 0; i < len; i++)
		putc_unlocked(text[i], out);
	return len;
}

void json_text_string(FILE *out, const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	putc_unlocked('"', out);
	while (*c) {
		if (*c >= 0x80) {
			c += write_wide(out, c);
			continue;
		}
		if (*c == '"' || *c == '\\')
			putc_unlocked('\\', out);
		if (*c < 0x20)
			fprintf(out, "\\u%04x", *c);
		else
			putc_unlocked(*c, out);
		c++;
	}
	putc_unlocked('"', out);
}

/* Integers, as printf() takes many times longer for a double. */
void json_text_seconds(FILE *out, uint64_t ns)
{
	fprintf(out, "%llu.%06llu", ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / NSEC_PER_USEC);
}

void json_text_ago(FILE *out, uint64_t now, uint64_t then)
{
	if (!then)
		fputs_unlocked("null", out);
	else
		json_text_seconds(out, then < now ? now - then : 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Fractions are rounded as Go does it, in double precision, so that both read the same number. */
#include "base/duration.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NSEC_MAX (1ULL << 63) /* the first value that is too large */

struct unit {
	const char *name;
	uint64_t ns;
};

/* From small to large. Micro is U+00B5 or U+03BC. */
static const struct unit units[] = {
	{"ns", 1},
	{"us", NSEC_PER_USEC},
	{"\xc2\xb5s", NSEC_PER_USEC},
	{"\xce\xbcs", NSEC_PER_USEC},
	{"ms", NSEC_PER_MSEC},
	{"s", NSEC_PER_SEC},
	{"m", 60 * NSEC_PER_SEC},
	{"h", 3600 * NSEC_PER_SEC},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const struct unit *read_unit(const char **text)
{
	size_t len = strcspn(*text, ".0123456789");

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strlen(units[i].name) == len && strncmp(*text, units[i].name, len) == 0) {
			*text += len;
			return &units[i];
		}
	}
	return NULL;
}

static int read_whole(const char **text, uint64_t *ret)
{
	uint64_t value = 0;

	for (; is_digit(**text); (*text)++) {
		value = value * 10 + (uint64_t)(**text - '0');
		if (value >= NSEC_MAX)
			return -ERANGE;
		if (value > NSEC_MAX / 10 && is_digit((*text)[1]))
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

/* Digits that no longer fit are read and ignored. Returns the fraction as numerator / *ret_scale. */
static uint64_t read_fraction(const char **text, double *ret_scale)
{
	uint64_t value = 0;
	double scale = 1;
	bool full = false;

	for (; is_digit(**text); (*text)++) {
		full |= value > (NSEC_MAX - 10) / 10;
		if (full)
			continue;
		value = value * 10 + (uint64_t)(**text - '0');
		scale *= 10;
	}
	*ret_scale = scale;
	return value;
}

/* Reads one number with its unit, as in "1.5h". */
static int read_term(const char **text, uint64_t *ret_ns)
{
	const struct unit *unit;
	uint64_t whole, fraction = 0;
	bool digits = is_digit(**text);
	double scale = 1;
	int r;

	r = read_whole(text, &whole);
	if (r < 0)
		return r;
	if (**text == '.') {
		(*text)++;
		digits |= is_digit(**text);
		fraction = read_fraction(text, &scale);
	}
	if (!digits)
		return -EINVAL;
	unit = read_unit(text);
	if (!unit)
		return -EINVAL;
	if (whole > NSEC_MAX / unit->ns)
		return -ERANGE;
	*ret_ns = whole * unit->ns + (uint64_t)((double)fraction * ((double)unit->ns / scale));
	return 0;
}

int duration_from_str(const char *text, uint64_t *ret_ns)
{
	uint64_t total = 0, term;
	int r;

	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	while (*text) {
		r = read_term(&text, &term);
		if (r < 0)
			return r;
		if (term >= NSEC_MAX - total)
			return -ERANGE;
		total += term;
	}
	*ret_ns = total;
	return 0;
}

/* Writes ns in one unit. Returns the length, 0 if nine decimal places are not exact. */
static size_t format_in_unit(uint64_t ns, const struct unit *unit,
			     char buf[static DURATION_STR_SIZE])
{
	uint64_t rest = ns % unit->ns;
	char fraction[11] = "";
	size_t len = 0;

	if (rest)
		fraction[len++] = '.';
	while (rest && len < sizeof(fraction) - 1) {
		fraction[len++] = (char)('0' + rest * 10 / unit->ns);
		rest = rest * 10 % unit->ns;
	}
	if (rest)
		return 0;
	return (size_t)snprintf(buf, DURATION_STR_SIZE, "%llu%s%s",
				(unsigned long long)(ns / unit->ns), fraction, unit->name);
}

const char *duration_to_str(uint64_t ns, char buf[static DURATION_STR_SIZE])
{
	char text[DURATION_STR_SIZE];
	size_t best = SIZE_MAX, len;

	snprintf(buf, DURATION_STR_SIZE, "0s");
	for (size_t i = 0; i < ARRAY_SIZE(units) && ns >= units[i].ns; i++) {
		len = format_in_unit(ns, &units[i], text);
		/* Of the spellings of "us" only the one in ASCII is written. */
		if (!len || len > best || units[i].name[0] & 0x80)
			continue;
		best = len;
		memcpy(buf, text, sizeof(text));
	}
	return buf;
}

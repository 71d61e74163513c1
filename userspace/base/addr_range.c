/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr_range.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { V4_PREFIX = 96 };

static void clear_host_bits(struct addr *addr, unsigned int prefix)
{
	for (unsigned int i = 0; i < sizeof(addr->bytes); i++) {
		unsigned int kept = prefix > 8 * i ? prefix - 8 * i : 0;

		if (kept < 8)
			addr->bytes[i] &= (uint8_t)(0xff00 >> kept);
	}
}

/* One to three digits and nothing else; -EINVAL if it is not. */
static int parse_bits(const char *text)
{
	size_t len = strspn(text, "0123456789");
	int bits = 0;

	if (len < 1 || len > 3 || text[len])
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		bits = 10 * bits + text[i] - '0';
	return bits;
}

int addr_range_from_str(const char *text, struct addr_range *ret)
{
	const char *slash = strchr(text, '/');
	char addr_text[ADDR_STR_SIZE];
	struct addr_range range;
	int bits;

	if (!slash || (size_t)(slash - text) >= sizeof(addr_text))
		return -EINVAL;
	snprintf(addr_text, sizeof(addr_text), "%.*s", (int)(slash - text), text);
	if (addr_from_str(addr_text, &range.addr) < 0)
		return -EINVAL;
	bits = parse_bits(slash + 1);
	if (bits < 0 || bits > (addr_is_v4(&range.addr) ? 32 : 128))
		return -EINVAL;
	range.prefix = (unsigned int)bits + (addr_is_v4(&range.addr) ? V4_PREFIX : 0);
	clear_host_bits(&range.addr, range.prefix);
	*ret = range;
	return 0;
}

bool addr_range_has(const struct addr_range *range, const struct addr *addr)
{
	struct addr masked = *addr;

	if (addr_is_v4(addr) != addr_is_v4(&range->addr))
		return false;
	clear_host_bits(&masked, range->prefix);
	return addr_equal(&masked, &range->addr);
}

int addr_range_compare(const void *a, const void *b)
{
	const struct addr_range *x = a, *y = b;
	int order = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));

	return order ? order : (x->prefix > y->prefix) - (x->prefix < y->prefix);
}

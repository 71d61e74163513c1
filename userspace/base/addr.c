/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* inet_pton() refuses leading zeros. */
static bool parse_v4(const char *text, uint8_t ret[static 4])
{
	for (int i = 0; i < 4; i++) {
		size_t digits = strspn(text, "0123456789");
		unsigned int number = 0;

		for (size_t d = 0; d < digits && number <= UINT8_MAX; d++)
			number = number * 10 + (unsigned int)(text[d] - '0');
		if (!digits || number > UINT8_MAX || text[digits] != (i < 3 ? '.' : '\0'))
			return false;
		ret[i] = (uint8_t)number;
		text += digits + 1;
	}
	return true;
}

int addr_from_str(const char *text, struct addr *ret)
{
	struct addr addr;

	if (parse_v4(text, addr.bytes + sizeof(v4_prefix)))
		memcpy(addr.bytes, v4_prefix, sizeof(v4_prefix));
	else if (inet_pton(AF_INET6, text, addr.bytes) != 1)
		return -EINVAL;
	*ret = addr;
	return 0;
}

const char *addr_to_str(const struct addr *addr, char buf[static ADDR_STR_SIZE])
{
	if (addr_is_v4(addr))
		inet_ntop(AF_INET, addr->bytes + sizeof(v4_prefix), buf, ADDR_STR_SIZE);
	else
		inet_ntop(AF_INET6, addr->bytes, buf, ADDR_STR_SIZE);
	return buf;
}

const char *addr_port_to_str(const struct addr *addr, uint16_t port,
			     char buf[static ADDR_PORT_STR_SIZE])
{
	char text[ADDR_STR_SIZE];

	snprintf(buf, ADDR_PORT_STR_SIZE, addr_is_v4(addr) ? "%s:%u" : "[%s]:%u",
		 addr_to_str(addr, text), port);
	return buf;
}

bool addr_is_v4(const struct addr *addr)
{
	return memcmp(addr->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static const char *unusable_v4(const uint8_t *bytes)
{
	static const uint8_t any[4];

	if (memcmp(bytes, any, sizeof(any)) == 0)
		return "unspecified";
	if (bytes[0] == 127)
		return "loopback";
	if (bytes[0] == 169 && bytes[1] == 254)
		return "link-local";
	if ((bytes[0] & 0xf0) == 224)
		return "multicast";
	return NULL;
}

static const char *unusable_v6(const uint8_t *bytes)
{
	if (memcmp(bytes, &in6addr_any, sizeof(in6addr_any)) == 0)
		return "unspecified";
	if (memcmp(bytes, &in6addr_loopback, sizeof(in6addr_loopback)) == 0)
		return "loopback";
	if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80)
		return "link-local";
	if (bytes[0] == 0xff)
		return "multicast";
	return NULL;
}

const char *addr_unusable(const struct addr *addr)
{
	if (addr_is_v4(addr))
		return unusable_v4(addr->bytes + sizeof(v4_prefix));
	return unusable_v6(addr->bytes);
}

socklen_t addr_to_sockaddr(const struct addr *addr, uint16_t port, struct sockaddr_storage *ret_sa)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_sa;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_sa;

	memset(ret_sa, 0, sizeof(*ret_sa));
	if (addr_is_v4(addr)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, addr->bytes + sizeof(v4_prefix), sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	memcpy(&v6->sin6_addr, addr->bytes, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

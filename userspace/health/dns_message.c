/* SPDX-License-Identifier: Apache-2.0 */
#include "health/dns_message.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

enum { LABEL_MAX = 63, RCODE_SERVFAIL = 2 };

static const char *const rcodes[] = {"NOERROR",  "FORMERR", "SERVFAIL",
				     "NXDOMAIN", "NOTIMP",  "REFUSED"};

/* Returns the size of the encoded name. */
static int write_name(const char *name, uint8_t *out)
{
	size_t used = 0;

	if (!*name || strlen(name) > DNS_NAME_MAX)
		return -EINVAL;
	while (*name) {
		size_t len = strcspn(name, ".");

		if (!len || len > LABEL_MAX)
			return -EINVAL;
		out[used++] = (uint8_t)len;
		memcpy(out + used, name, len);
		used += len;
		name += len + (name[len] == '.');
	}
	out[used++] = 0;
	return (int)used;
}

int dns_query(const char *name, uint16_t id, uint8_t ret[static DNS_QUERY_SIZE])
{
	static const uint8_t type_a_class_in[] = {0, 1, 0, 1};
	int size;

	memset(ret, 0, DNS_HEADER_SIZE);
	ret[0] = (uint8_t)(id >> 8);
	ret[1] = (uint8_t)id;
	ret[5] = 1; /* one question */
	size = write_name(name, ret + DNS_HEADER_SIZE);
	if (size < 0)
		return size;
	size += DNS_HEADER_SIZE;
	memcpy(ret + size, type_a_class_in, sizeof(type_a_class_in));
	return size + (int)sizeof(type_a_class_in);
}

enum dns_answer dns_judge(const uint8_t *message, size_t size, uint16_t id, int *ret_rcode)
{
	if (size < DNS_HEADER_SIZE || (message[0] << 8 | message[1]) != id || !(message[2] & 0x80))
		return DNS_OTHER;
	*ret_rcode = message[3] & 0x0f;
	return *ret_rcode == RCODE_SERVFAIL ? DNS_SERVFAIL : DNS_ALIVE;
}

const char *dns_rcode_to_str(int rcode)
{
	return rcode >= 0 && (size_t)rcode < ARRAY_SIZE(rcodes) ? rcodes[rcode] : "RCODE";
}

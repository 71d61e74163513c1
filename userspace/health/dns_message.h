/* SPDX-License-Identifier: Apache-2.0 */
/* A DNS query and what an answer to it says (RFC 1035, 4). Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Header, name, type and class. */
enum { DNS_NAME_MAX = 253, DNS_QUERY_SIZE = 12 + DNS_NAME_MAX + 2 + 4, DNS_HEADER_SIZE = 12 };

/*
 * Writes a query for the IPv4 addresses of a name (dots between labels, perhaps one at the end). Recursion
 * is not asked for. Returns its size, or -EINVAL for what is no name.
 */
int dns_query(const char *name, uint16_t id, uint8_t ret[static DNS_QUERY_SIZE]);

enum dns_answer {
	DNS_OTHER,    /* no answer to this query: wait for another one */
	DNS_ALIVE,    /* an answer, also that there is no such name, or that it is refused */
	DNS_SERVFAIL, /* the server says that it can not answer */
};

/* `ret_rcode` is set if it is an answer. */
enum dns_answer dns_judge(const uint8_t *message, size_t size, uint16_t id, int *ret_rcode);

/* "NOERROR", "NXDOMAIN" …; "RCODE" for those without a name in RFC 1035. */
const char *dns_rcode_to_str(int rcode);

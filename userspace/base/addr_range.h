/* SPDX-License-Identifier: Apache-2.0 */
/* A range of addresses in CIDR notation. */
#pragma once

#include "base/addr.h"

struct addr_range {
	struct addr addr;    /* bits after the prefix are 0 */
	unsigned int prefix; /* in bits of the 16 bytes: 96 more than what is written for IPv4 */
};

/*
 * Parses "10.0.0.0/8" or "fd00::/8". Bits after the prefix count for nothing, as in Kubernetes.
 * Returns 0, or -EINVAL with *ret untouched.
 */
int addr_range_from_str(const char *text, struct addr_range *ret);

/* An IPv4 address is in no range of IPv6, not even in ::/0. */
bool addr_range_has(const struct addr_range *range, const struct addr *addr);

/* For qsort(): by address, then by prefix. */
int addr_range_compare(const void *a, const void *b);

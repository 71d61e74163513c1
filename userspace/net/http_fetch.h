/* SPDX-License-Identifier: Apache-2.0 */
/* One GET that blocks, for command-line programs: nothing on a loop may call this. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct http_fetch {
	const char *url;  /* http:// only */
	uint64_t timeout; /* ns, for all of it */
	size_t size_max;  /* of the body, in bytes */
};

struct http_fetched {
	int status; /* 200 … */
	char *body; /* a NUL follows it; owned by the caller, who frees it */
	size_t size;
};

/*
 * Fetches. Neither proxy settings nor credentials of the environment are used; redirects are not
 * followed. Returns 0 for an answer of any status, -ECONNREFUSED (and other errors of connect()),
 * -ETIMEDOUT, -ECONNRESET, -EFBIG for a body of more than size_max, -EPROTO if what answers does
 * not speak HTTP, -EINVAL for an address that is none, -ENOMEM, -EIO.
 */
int http_fetch(const struct http_fetch *fetch, struct http_fetched *ret);

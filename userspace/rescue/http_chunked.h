/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a chunked body ends (RFC 9112, 7.1), found while it passes: nothing of it is changed or
 * kept. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_chunked {
	uint64_t left; /* private; start with {} */
	uint8_t state;
	uint8_t digits;
};

/*
 * Looks at the next bytes of the body. Returns how many of them belong to it: all, or fewer if it
 * ends there, which sets *ret_end; -EBADMSG if they are not chunked.
 */
ptrdiff_t http_chunked_feed(struct http_chunked *chunked, const char *data, size_t len,
			    bool *ret_end);

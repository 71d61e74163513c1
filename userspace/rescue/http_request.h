/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a captured request is all of one HTTP/1.x request that may be sent again. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_request_verdict {
	HTTP_REQUEST_WHOLE,     /* one request, all of it */
	HTTP_REQUEST_PARTIAL,   /* the beginning of one */
	HTTP_REQUEST_PIPELINED, /* something follows it */
	HTTP_REQUEST_UPGRADE,   /* the connection is to become something else */
	HTTP_REQUEST_EXPECT,    /* the client waits for leave to send the body */
	HTTP_REQUEST_MALFORMED, /* no HTTP/1.x, or not clear where it ends */
};

struct http_request {
	size_t line_len; /* of the request line, with its CRLF */
	bool is_head;    /* its response has no body */
};

/*
 * Whether `size` bytes that begin with these `len` are all of one such request, be it too long to be
 * seen as a whole: then its Content-Length says so.
 */
bool http_request_is_whole(const char *data, size_t len, uint64_t size);

/* *ret is set for HTTP_REQUEST_WHOLE only. */
enum http_request_verdict http_request_parse(const char *data, size_t len,
					     struct http_request *ret);

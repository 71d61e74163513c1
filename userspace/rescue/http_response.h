/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A response of HTTP/1.x on its way from another backend to the client: where it ends is found
 * (RFC 9112, 6.3), and its head is rewritten: what belongs to the connection that it came on is
 * left out (RFC 9110, 7.6.1), and "Connection: close" is put in, since the client's connection ends
 * with it. All else passes byte by byte. Pure.
 */
#pragma once

#include "rescue/bytes.h"
#include "rescue/http_chunked.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_response_state {
	HTTP_RESPONSE_HEAD,
	HTTP_RESPONSE_LENGTH,
	HTTP_RESPONSE_CHUNKED,
	HTTP_RESPONSE_TO_CLOSE,
	HTTP_RESPONSE_DONE,
};

/*
 * What a response may have up to its body, interim responses included: bytes, lines, and fields that
 * "Connection" names. A pod must not cost the worker more memory or time than that.
 */
enum {
	HTTP_RESPONSE_HEAD_MAX = 65536,
	HTTP_RESPONSE_LINES_MAX = 256,
	HTTP_RESPONSE_NAMED_MAX = 32,
};

struct http_response {
	bool to_head; /* it answers a HEAD. Set by the caller, all else begins with 0 */
	enum http_response_state state;
	unsigned int status; /* of the final response; 0: its head is not all there yet */
	uint64_t left;       /* private from here on */
	struct http_chunked chunked;
	struct bytes head;
	size_t interim_len; /* of the interim responses before it */
	size_t interim_lines;
};

/*
 * Appends to *out what the client is to get of the next bytes; what comes behind the end is
 * ignored. Interim responses (1xx) pass as they are. Returns 0, -ENOMEM, -EMSGSIZE for a head beyond
 * these limits, -EBADMSG for what is no response to an ordinary request.
 */
int http_response_feed(struct http_response *response, const char *data, size_t len,
		       struct bytes *out);

/* The connection that it came on has ended. Returns whether the response is whole. */
bool http_response_close(struct http_response *response);

void http_response_free(struct http_response *response);

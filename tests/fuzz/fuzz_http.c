/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients and pods send, through the parsers of rescue. Checked besides memory: cutting the
 * input in pieces changes nothing, of a body that passes every byte passes, and what follows a head
 * does not change what it says.
 */
#include "rescue/http_persistence.h"
#include "rescue/http_request.h"
#include "rescue/http_response.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_request(const char *text, size_t len)
{
	struct http_request request = {};
	enum http_request_verdict verdict = http_request_parse(text, len, &request);

	if (verdict != HTTP_REQUEST_WHOLE)
		return;
	assert(request.line_len > 0 && request.line_len < len);
	/* What is whole is not whole without its last byte, and has no room for another. */
	assert(http_request_parse(text, len - 1, &request) == HTTP_REQUEST_PARTIAL);
}

/* Feeds pieces of `step` bytes; returns how it went, 0 or a negative errno. */
static int feed(struct http_response *response, const char *text, size_t len, size_t step,
		struct bytes *out)
{
	int err = 0;

	for (size_t at = 0; at < len && !err; at += step)
		err = http_response_feed(response, text + at, len - at < step ? len - at : step,
					 out);
	return err;
}

static void fuzz_response(const char *text, size_t len, size_t step, bool to_head)
{
	struct http_response whole = {.to_head = to_head}, parts = {.to_head = to_head};
	struct bytes all = {}, pieces = {};
	int err = feed(&whole, text, len, len, &all);
	int parts_err = feed(&parts, text, len, step, &pieces);

	/* Where the error is only in what follows the end, the pieces may stop before it. */
	assert(err == parts_err || whole.state == HTTP_RESPONSE_DONE ||
	       parts.state == HTTP_RESPONSE_DONE || err < 0);
	if (!err && !parts_err) {
		assert(whole.state == parts.state && whole.status == parts.status);
		assert(all.len == pieces.len &&
		       (!all.len || !memcmp(all.items, pieces.items, all.len)));
	}
	assert(whole.status == 0 || whole.status >= 200);
	http_response_close(&whole);
	bytes_done(&all);
	bytes_done(&pieces);
	http_response_free(&whole);
	http_response_free(&parts);
}

/* The first byte says what to do. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;

	if (size < 2)
		return 0;
	assert(!http_stays_open(text, size - 2) || http_stays_open(text, size - 1));
	if (data[0] & 1)
		fuzz_request(text, size - 1);
	else
		fuzz_response(text, size - 1, 1 + (data[0] >> 2) % 16, data[0] & 2);
	return 0;
}

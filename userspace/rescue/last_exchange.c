/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/last_exchange.h"

#include "rescue/http_persistence.h"
#include "rescue/http_request.h"
#include "rescue/http_response.h"

#include <stdint.h>
#include <string.h>

/* How a chunked body without trailers ends. */
static const char chunked_end[] = "\r\n0\r\n\r\n";

static const char *last_response_of(const struct sw_rescue *record)
{
	return (const char *)record + record->last_response_at;
}

static bool ends_chunked(const struct sw_rescue *record)
{
	size_t len = sizeof(chunked_end) - 1;

	return record->received > record->last_response_len &&
	       !memcmp(record->tail + sizeof(record->tail) - len, chunked_end, len);
}

static bool is_response_whole(const struct sw_rescue *record, bool to_head)
{
	struct http_response response = {.to_head = to_head};
	const char *head = last_response_of(record);
	uint64_t rest = record->received - record->last_response_len;
	struct bytes out = {};
	bool whole = false;

	if (record->received < record->last_response_len ||
	    http_response_feed(&response, head, record->last_response_len, &out))
		goto out;
	if (response.state == HTTP_RESPONSE_DONE)
		whole = !rest;
	else if (response.state == HTTP_RESPONSE_LENGTH)
		whole = rest == response.left;
	else if (response.state == HTTP_RESPONSE_CHUNKED)
		whole = ends_chunked(record);
out:
	bytes_done(&out);
	http_response_free(&response);
	return whole;
}

bool last_exchange_is_over(const struct sw_rescue *record)
{
	const char *request = (const char *)record + record->last_request_at;
	size_t len = record->last_request_len;

	if (!record->last_sent)
		return true;
	return http_request_is_whole(request, len, record->last_sent) &&
	       is_response_whole(record, len > 5 && !memcmp(request, "HEAD ", 5));
}

bool last_exchange_leaves_open(const struct sw_rescue *record)
{
	return http_stays_open((const char *)(record + 1), record->request_len) &&
	       is_response_whole(record, record->method == SW_METHOD_HEAD) &&
	       http_stays_open(last_response_of(record), record->last_response_len);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "rescue/last_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define GET     "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
#define H2C     "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
#define LENGTH  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define WHOLE   LENGTH "0123456789"

/* A request, and its response, of which the kernel kept the first `kept` bytes (0: all). */
struct row {
	const char *request;
	const char *response;
	size_t kept;
	bool goes_on;
};

static const struct row rows[] = {
	/* Whether the response was whole. */
	{GET, WHOLE, 0, true},
	{GET, WHOLE, sizeof(LENGTH) - 1, true},
	{GET, WHOLE, sizeof(LENGTH) + 3, true},
	{GET, LENGTH "012345678", 0, false},
	{GET, LENGTH "012345678", sizeof(LENGTH), false},
	{GET, LENGTH "0123456789x", sizeof(LENGTH), false},
	{HEAD, LENGTH, 0, true},
	{GET, LENGTH, 0, false},
	{GET, CHUNKED "1\r\na\r\n0\r\n\r\n", 0, true},
	{GET, CHUNKED "1\r\na\r\n0\r\n\r\n", sizeof(CHUNKED) - 1, true},
	{GET, CHUNKED "1\r\na\r\n", sizeof(CHUNKED) - 1, false},
	{GET, "HTTP/1.1 304 Not Modified\r\n\r\n", 0, true},
	{GET, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" WHOLE, 0, true},
	/* The end of the connection is the end of the response. */
	{GET, "HTTP/1.1 200 OK\r\n\r\nabc", 0, false},
	/* The head is too long to see where it ends. */
	{GET, WHOLE, 20, false},
	{GET, "HTTP/1.1 101 Switching Protocols\r\n\r\n", 0, false},
	/* Whether it was the last, by what the request says … */
	{"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", WHOLE, 0, false},
	{"GET / HTTP/1.1\r\nconnection:foo, Close\r\n\r\n", WHOLE, 0, false},
	{"GET / HTTP/1.1\r\nX-Connection: close\r\n\r\n", WHOLE, 0, true},
	{"GET / HTTP/1.1\r\n\r\nConnection: close\r\n", WHOLE, 0, true},
	{"GET / HTTP/1.0\r\n\r\n", WHOLE, 0, false},
	{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", WHOLE, 0, true},
	{"GET / HTTP/1.1\r\nHost: cut off", WHOLE, 0, false},
	{"GET / HTTP/2.0\r\n\r\n", WHOLE, 0, false},
	/* … and by what the response says. */
	{GET, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", 0, false},
	{GET, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No\r\nConnection: close\r\n\r\n", 0,
	 false},
	{GET, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 0, false},
	{GET, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx", 0, true},
};

/* A record with what follows it. */
struct report {
	struct sw_rescue record;
	char bytes[2048];
};

static void append(struct report *report, size_t *at, const char *text, size_t len)
{
	assert_true(*at + len <= sizeof(report->bytes));
	memcpy(report->bytes + *at, text, len);
	*at += len;
}

static void append_response(struct report *report, size_t *at, const char *response, size_t kept)
{
	size_t len = strlen(response), tail = sizeof(report->record.tail);

	if (!kept)
		kept = len;
	report->record.last_response_at = (uint16_t)(sizeof(report->record) + *at);
	append(report, at, response, kept);
	report->record.last_response_len = (uint16_t)kept;
	report->record.received = (uint32_t)len;
	if (len >= tail)
		memcpy(report->record.tail, response + len - tail, tail);
}

static bool leaves_open(const struct row *row)
{
	size_t asked = strlen(row->request), at = 0;
	struct report report = {.record = {.method = !strncmp(row->request, "HEAD", 4)
							     ? SW_METHOD_HEAD
							     : SW_METHOD_GET,
					   .request_len = (uint16_t)asked}};

	append(&report, &at, row->request, asked);
	append_response(&report, &at, row->response, row->kept);
	return last_exchange_leaves_open(&report.record);
}

static void test_whether_the_connection_stays_open(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (leaves_open(&rows[i]) != rows[i].goes_on)
			fail_msg("row %zu: %s%s", i, rows[i].request, rows[i].response);
	}
}

#define PUT "PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\n"

/* A request of which `kept` bytes were kept (0: all), of `sent` (0: the same), and its response. */
static const struct {
	const char *request;
	size_t kept;
	uint32_t sent;
	const char *response;
	size_t response_kept;
	bool over;
} exchanges[] = {
	{GET, 0, 0, WHOLE, 0, true},
	{PUT "0123456789", 0, 0, WHOLE, 0, true},
	{PUT "0123456789", sizeof(PUT) - 1, sizeof(PUT) - 1 + 10, WHOLE, 0, true},
	{PUT "0123456789", sizeof(PUT) + 1, sizeof(PUT) - 1 + 10, WHOLE, 0, true},
	{HEAD, 0, 0, LENGTH, 0, true},
	{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 0, WHOLE, 0, true},
	{GET, 0, 0, CHUNKED "1\r\na\r\n0\r\n\r\n", 0, true},
	{GET, 0, 0, CHUNKED "1\r\na\r\n0\r\n\r\n", sizeof(CHUNKED) + 3, true},
	{H2C, 0, 0, WHOLE, 0, true},
	{H2C, 0, 0, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", 0, false},
	/* The response is under way: another would be taken for the rest of it. */
	{GET, 0, 0, LENGTH "012345678", 0, false},
	{GET, 0, 0, LENGTH "012345678", sizeof(LENGTH), false},
	{GET, 0, 0, CHUNKED "3\r\na\r\n\r\n", 0, false},
	{GET, 0, 0, CHUNKED "9\r\n0123456\r\n\r\n", sizeof(CHUNKED) + 3, false},
	{GET, 0, 0, "HTTP/1.1 200 OK\r\n\r\nabc", 0, false},
	{GET, 0, 0, "HTTP/1.1 100 Continue\r\n\r\n", 0, false},
	{GET, 0, 0, "", 0, false},
	{GET, 0, 0, WHOLE, 20, false},
	/* The request is under way: what looks like another is a part of its body. */
	{PUT, 0, 0, WHOLE, 0, false},
	{PUT "012345678", 0, 0, WHOLE, 0, false},
	{PUT "012345678", sizeof(PUT) - 1, sizeof(PUT) - 1 + 9, WHOLE, 0, false},
	{PUT "0123456789x", 0, 0, WHOLE, 0, false},
	{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 0, WHOLE, 0, false},
	{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 100, WHOLE, 0, false},
	{GET, 20, sizeof(GET) - 1, WHOLE, 0, false},
	{"0123456789", 0, 0, WHOLE, 0, false},
};

static void test_whether_the_exchange_before_was_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(exchanges); i++) {
		const char *request = exchanges[i].request;
		size_t kept = exchanges[i].kept ? exchanges[i].kept : strlen(request), at = 0;
		struct report report = {.record = {.request_len = sizeof(GET) - 1,
						   .response_len = 3,
						   .last_request_len = (uint16_t)kept,
						   .last_sent = exchanges[i].sent
									? exchanges[i].sent
									: (uint32_t)kept}};

		append(&report, &at, GET "abc", sizeof(GET "abc") - 1);
		append_response(&report, &at, exchanges[i].response, exchanges[i].response_kept);
		report.record.last_request_at = (uint16_t)(sizeof(report.record) + at);
		append(&report, &at, request, kept);
		if (last_exchange_is_over(&report.record) != exchanges[i].over)
			fail_msg("row %zu: %s%s", i, request, exchanges[i].response);
	}
}

static void test_the_first_request(void **state)
{
	const struct sw_rescue record = {};

	(void)state;
	assert_true(last_exchange_is_over(&record));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whether_the_connection_stays_open),
		cmocka_unit_test(test_whether_the_exchange_before_was_over),
		cmocka_unit_test(test_the_first_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

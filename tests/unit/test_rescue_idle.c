/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "rescue/rescue_idle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define GET     "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
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

static bool may_go_on(const struct row *row)
{
	size_t asked = strlen(row->request), len = strlen(row->response);
	size_t kept = row->kept ? row->kept : len;
	struct sw_rescue record = {.method = !strncmp(row->request, "HEAD", 4) ? SW_METHOD_HEAD
									       : SW_METHOD_GET,
				   .request_len = (uint16_t)asked,
				   .response_len = (uint16_t)kept,
				   .received = (uint32_t)len};
	char bytes[512];

	assert_true(asked + kept <= sizeof(bytes));
	memcpy(bytes, row->request, asked);
	memcpy(bytes + asked, row->response, kept);
	memcpy(record.tail, row->response + len - sizeof(record.tail), sizeof(record.tail));
	return rescue_idle_may_go_on(&record, bytes);
}

static void test_whether_a_request_may_follow(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (may_go_on(&rows[i]) != rows[i].goes_on)
			fail_msg("row %zu: %s%s", i, rows[i].request, rows[i].response);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whether_a_request_may_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "rescue/http_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct row {
	const char *text;
	enum http_request_verdict verdict;
};

static void check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct http_request request;
		enum http_request_verdict verdict =
			http_request_parse(rows[i].text, strlen(rows[i].text), &request);

		if (verdict != rows[i].verdict)
			fail_msg("verdict %d, not %d, on: %s", verdict, rows[i].verdict,
				 rows[i].text);
	}
}

static void test_whole(void **state)
{
	static const struct row rows[] = {
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_REQUEST_WHOLE},
		{"GET / HTTP/1.0\r\n\r\n", HTTP_REQUEST_WHOLE},
		{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_REQUEST_WHOLE},
		{"PUT /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", HTTP_REQUEST_WHOLE},
		{"PUT /x HTTP/1.1\r\ncontent-length:3\r\nContent-Length: 3\r\n\r\nabc",
		 HTTP_REQUEST_WHOLE},
		{"DELETE /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n", HTTP_REQUEST_WHOLE},
		{"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		 HTTP_REQUEST_WHOLE},
		{"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
		 HTTP_REQUEST_WHOLE},
		{"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", HTTP_REQUEST_WHOLE},
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

static void test_every_prefix_of_a_request_is_partial(void **state)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"PUT /x HTTP/1.1\r\nContent-Length: 12\r\n\r\nhello, world",
		"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct http_request request;
		size_t len = strlen(texts[i]);

		for (size_t part = 0; part < len; part++)
			assert_int_equal(http_request_parse(texts[i], part, &request),
					 HTTP_REQUEST_PARTIAL);
		assert_int_equal(http_request_parse(texts[i], len, &request), HTTP_REQUEST_WHOLE);
	}
}

static void test_what_is_left_alone(void **state)
{
	static const struct row rows[] = {
		{"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", HTTP_REQUEST_PIPELINED},
		{"GET / HTTP/1.1\r\n\r\nG", HTTP_REQUEST_PIPELINED},
		{"PUT / HTTP/1.1\r\nContent-Length: 1\r\n\r\nab", HTTP_REQUEST_PIPELINED},
		{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
		 HTTP_REQUEST_PIPELINED},
		{"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", HTTP_REQUEST_UPGRADE},
		{"GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\n\r\n", HTTP_REQUEST_UPGRADE},
		{"PUT / HTTP/1.1\r\nExpect: 100-continue\r\n", HTTP_REQUEST_EXPECT},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP_REQUEST_MALFORMED},
		{"GET / HTTP/1.2\r\n\r\n", HTTP_REQUEST_MALFORMED},
		{"GET /\r\n\r\n", HTTP_REQUEST_MALFORMED},
		{"GET  HTTP/1.1\r\n\r\n", HTTP_REQUEST_MALFORMED},
		{"GET / a HTTP/1.1\r\n\r\n", HTTP_REQUEST_MALFORMED},
		{"GET / HTTP/1.1\n\n", HTTP_REQUEST_MALFORMED},
		{"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", HTTP_REQUEST_MALFORMED},
		{"GET / HTTP/1.1\r\nA b\r\n\r\n", HTTP_REQUEST_MALFORMED},
		{"GET / HTTP/1.1\r\nA : b\r\n\r\n", HTTP_REQUEST_MALFORMED},
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

/* Where two readers could see the end of a request in different places, nothing is replayed. */
static void test_unclear_framing(void **state)
{
	static const struct row rows[] = {
		{"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		 HTTP_REQUEST_MALFORMED},
		{"PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		 HTTP_REQUEST_MALFORMED},
		{"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		 HTTP_REQUEST_MALFORMED},
		{"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", HTTP_REQUEST_MALFORMED},
		{"PUT / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\na", HTTP_REQUEST_MALFORMED},
		{"PUT / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na", HTTP_REQUEST_MALFORMED},
		{"PUT / HTTP/1.1\r\nContent-Length:\r\n\r\n", HTTP_REQUEST_MALFORMED},
		{"PUT / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n",
		 HTTP_REQUEST_MALFORMED},
		{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\ng\r\n",
		 HTTP_REQUEST_MALFORMED},
		{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
		 HTTP_REQUEST_MALFORMED},
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

static void test_values(void **state)
{
	static const char head[] = "HEAD /index HTTP/1.1\r\n\r\n", get[] = "GET / HTTP/1.1\r\n\r\n";
	struct http_request request;

	(void)state;
	assert_int_equal(http_request_parse(head, strlen(head), &request), HTTP_REQUEST_WHOLE);
	assert_true(request.is_head);
	assert_int_equal(request.line_len, strlen("HEAD /index HTTP/1.1\r\n"));
	assert_int_equal(http_request_parse(get, strlen(get), &request), HTTP_REQUEST_WHOLE);
	assert_false(request.is_head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_every_prefix_of_a_request_is_partial),
		cmocka_unit_test(test_what_is_left_alone),
		cmocka_unit_test(test_unclear_framing),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

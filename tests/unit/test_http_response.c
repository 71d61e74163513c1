/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "rescue/http_response.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CLOSE "Connection: close\r\n\r\n"

struct row {
	const char *in;
	const char *out;
	enum http_response_state state; /* after all of it */
	unsigned int status;
	bool to_head;
};

static const struct row rows[] = {
	{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
	 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" CLOSE "OK", HTTP_RESPONSE_DONE, 200, false},
	{"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200\r\nContent-Length: 0\r\n" CLOSE,
	 HTTP_RESPONSE_DONE, 200, false},
	/* What comes behind the end is not the client's. */
	{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOKHTTP/1.1 200 OK",
	 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" CLOSE "OK", HTTP_RESPONSE_DONE, 200, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nOK",
	 "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n" CLOSE "OK", HTTP_RESPONSE_LENGTH, 200, false},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nOK\r\n0\r\nT: v\r\n\r\nX",
	 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" CLOSE
	 "2;a=b\r\nOK\r\n0\r\nT: v\r\n\r\n",
	 HTTP_RESPONSE_DONE, 200, false},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
	 "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 1\r\n" CLOSE
	 "0\r\n\r\n",
	 HTTP_RESPONSE_DONE, 200, false},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
	 "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n" CLOSE "abc", HTTP_RESPONSE_TO_CLOSE, 200,
	 false},
	{"HTTP/1.0 200 OK\r\n\r\nabc", "HTTP/1.0 200 OK\r\n" CLOSE "abc", HTTP_RESPONSE_TO_CLOSE,
	 200, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
	 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" CLOSE, HTTP_RESPONSE_DONE, 200, true},
	{"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
	 "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n" CLOSE, HTTP_RESPONSE_DONE, 204, false},
	{"HTTP/1.1 304 Not Modified\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n" CLOSE,
	 HTTP_RESPONSE_DONE, 304, false},
	{"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
	 "HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx",
	 "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
	 "HTTP/1.1 404 No\r\nContent-Length: 1\r\n" CLOSE "x",
	 HTTP_RESPONSE_DONE, 404, false},
	{"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\n"
	 "x-hop: 1\r\nX-End: 2\r\nProxy-Connection: x\r\nContent-Length: 0\r\n\r\n",
	 "HTTP/1.1 200 OK\r\nX-End: 2\r\nContent-Length: 0\r\n" CLOSE, HTTP_RESPONSE_DONE, 200,
	 false},
	{"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\nConnection: a\r\nconnection: ,c ,\r\n"
	 "Content-Length: 0\r\n\r\n",
	 "HTTP/1.1 200 OK\r\nB: 2\r\nContent-Length: 0\r\n" CLOSE, HTTP_RESPONSE_DONE, 200, false},
	/* Who names the framing as hop-by-hop does not take it away. */
	{"HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 1\r\n\r\nx",
	 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" CLOSE "x", HTTP_RESPONSE_DONE, 200, false},
	{"HTTP/1.1 200 OK\r\nX: a: b \r\nContent-Length: 0\r\n\r\n",
	 "HTTP/1.1 200 OK\r\nX: a: b \r\nContent-Length: 0\r\n" CLOSE, HTTP_RESPONSE_DONE, 200,
	 false},
	{"HTTP/1.1 200 OK\r\nConte", "", HTTP_RESPONSE_HEAD, 0, false},
};

/* Feeds the text in pieces of `step` bytes. */
static void check(const struct row *row, size_t step)
{
	struct http_response response = {.to_head = row->to_head};
	struct bytes out = {};
	size_t len = strlen(row->in);

	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		assert_int_equal(http_response_feed(&response, row->in + at, n, &out), 0);
	}
	assert_int_equal(bytes_append(&out, "", 1), 0);
	assert_string_equal(out.items, row->out);
	assert_int_equal(response.state, row->state);
	assert_int_equal(response.status, row->status);
	bytes_done(&out);
	http_response_free(&response);
}

static void test_framing_and_rewriting_in_pieces_of_any_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t step = 1; step <= strlen(rows[i].in); step++)
			check(&rows[i], step);
	}
}

static void test_the_end_of_the_connection(void **state)
{
	static const struct {
		const char *in;
		bool whole;
	} ends[] = {
		{"HTTP/1.1 200 OK\r\n\r\nabc", true},
		{"HTTP/1.1 200 OK\r\n\r\n", true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", true},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false},
		{"HTTP/1.1 200 OK\r\n", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct http_response response = {};
		struct bytes out = {};

		assert_int_equal(
			http_response_feed(&response, ends[i].in, strlen(ends[i].in), &out), 0);
		assert_int_equal(http_response_close(&response), ends[i].whole);
		bytes_done(&out);
		http_response_free(&response);
	}
}

static void test_what_is_no_response(void **state)
{
	static const char *const texts[] = {
		"HTTP/2 200\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"SSH-2.0-OpenSSH\r\n",
		"HTTP/1.1 200 OK\n\n",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1234567890123456\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct http_response response = {};
		struct bytes out = {};

		assert_int_equal(http_response_feed(&response, texts[i], strlen(texts[i]), &out),
				 -EBADMSG);
		bytes_done(&out);
		http_response_free(&response);
	}
}

/* Feeds a beginning, then `text` so many times, then an end; returns the first error. */
static int feed_many(const char *begin, const char *text, size_t times, const char *end,
		     struct bytes *out)
{
	struct http_response response = {};
	int err = http_response_feed(&response, begin, strlen(begin), out);

	for (size_t i = 0; !err && i < times; i++)
		err = http_response_feed(&response, text, strlen(text), out);
	if (!err)
		err = http_response_feed(&response, end, strlen(end), out);
	http_response_free(&response);
	return err;
}

#define OK    "HTTP/1.1 200 OK\r\n"
#define EMPTY "Content-Length: 0\r\n\r\n"
#define HINT  "HTTP/1.1 103 Early Hints\r\n\r\n"
#define LONG  "X: 4567890123456789012345678901234567890123456789012345678901234"

/* What a pod may make the worker keep, and look at, before it says that its response is a good one. */
static void test_heads_have_limits(void **state)
{
	static const struct {
		const char *begin, *text;
		size_t times;
		const char *end;
		int result;
	} limits[] = {
		{OK, "a:\r\n", HTTP_RESPONSE_LINES_MAX - 2, EMPTY, 0},
		{OK, "a:\r\n", HTTP_RESPONSE_LINES_MAX - 1, EMPTY, -EMSGSIZE},
		{OK, "a:\r\n", 1000000, "", -EMSGSIZE},
		{"", HINT, HTTP_RESPONSE_LINES_MAX - 2, OK EMPTY, 0},
		{"", HINT, HTTP_RESPONSE_LINES_MAX - 1, OK EMPTY, -EMSGSIZE},
		{"", HINT, 1000000, "", -EMSGSIZE},
		{OK, LONG, HTTP_RESPONSE_HEAD_MAX / (sizeof(LONG) - 1) - 1, "\r\n" EMPTY, 0},
		{OK, LONG, HTTP_RESPONSE_HEAD_MAX / (sizeof(LONG) - 1) + 1, "", -EMSGSIZE},
		{"HTTP/1.1 103 Early Hints\r\n", LONG,
		 HTTP_RESPONSE_HEAD_MAX / (sizeof(LONG) - 1) - 1, "\r\n\r\n" OK EMPTY, -EMSGSIZE},
		{OK "Connection: a", ",b", HTTP_RESPONSE_NAMED_MAX - 1, "\r\n" EMPTY, 0},
		{OK "Connection: a", ",b", HTTP_RESPONSE_NAMED_MAX, "\r\n" EMPTY, -EMSGSIZE},
		{OK "Connection: a", ", ,", 1000, "\r\n" EMPTY, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct bytes out = {};
		int err = feed_many(limits[i].begin, limits[i].text, limits[i].times, limits[i].end,
				    &out);

		if (err != limits[i].result)
			fail_msg("row %zu: %d", i, err);
		assert_true(out.len <= HTTP_RESPONSE_HEAD_MAX);
		bytes_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framing_and_rewriting_in_pieces_of_any_size),
		cmocka_unit_test(test_the_end_of_the_connection),
		cmocka_unit_test(test_what_is_no_response),
		cmocka_unit_test(test_heads_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

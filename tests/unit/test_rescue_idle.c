/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "rescue/rescue_idle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A response of which the kernel kept the first `kept` bytes (0: all) and the last four. */
struct row {
	const char *response;
	size_t kept;
	uint8_t method;
	bool whole;
};

#define LENGTH  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct row rows[] = {
	{LENGTH "0123456789", 0, SW_METHOD_GET, true},
	{LENGTH "0123456789", sizeof(LENGTH) - 1, SW_METHOD_GET, true},
	{LENGTH "0123456789", sizeof(LENGTH) + 3, SW_METHOD_GET, true},
	{LENGTH "012345678", 0, SW_METHOD_GET, false},
	{LENGTH "012345678", sizeof(LENGTH), SW_METHOD_GET, false},
	{LENGTH "0123456789x", sizeof(LENGTH), SW_METHOD_GET, false},
	{LENGTH, 0, SW_METHOD_HEAD, true},
	{LENGTH, 0, SW_METHOD_GET, false},
	{CHUNKED "1\r\na\r\n0\r\n\r\n", 0, SW_METHOD_GET, true},
	{CHUNKED "1\r\na\r\n0\r\n\r\n", sizeof(CHUNKED) - 1, SW_METHOD_GET, true},
	{CHUNKED "1\r\na\r\n", sizeof(CHUNKED) - 1, SW_METHOD_GET, false},
	{"HTTP/1.1 304 Not Modified\r\n\r\n", 0, SW_METHOD_GET, true},
	/* The end of the connection is the end of the response. */
	{"HTTP/1.1 200 OK\r\n\r\nabc", 0, SW_METHOD_GET, false},
	/* The head is too long to see where it ends. */
	{LENGTH "0123456789", 20, SW_METHOD_GET, false},
	{"HTTP/1.1 101 Switching Protocols\r\n\r\n", 0, SW_METHOD_GET, false},
};

static void test_whether_a_response_was_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].response);
		struct sw_rescue record = {.method = rows[i].method,
					   .response_len =
						   (uint16_t)(rows[i].kept ? rows[i].kept : len),
					   .received = (uint32_t)len};

		memcpy(record.tail, rows[i].response + len - sizeof(record.tail),
		       sizeof(record.tail));
		if (rescue_idle_is_whole(&record, rows[i].response) != rows[i].whole)
			fail_msg("row %zu: %s", i, rows[i].response);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whether_a_response_was_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

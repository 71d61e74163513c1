/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "rescue/rescue_note.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What everybody may read who may read the status: the rest of a request is nobody's business. */
static void test_the_line_of_a_request(void **state)
{
	static const struct {
		const char *request, *line;
	} rows[] = {
		{"GET /a HTTP/1.1\r\nCookie: secret\r\n\r\n", "GET /a HTTP/1.1"},
		{"GET /a?token=secret&b=?c HTTP/1.1\r\n\r\n", "GET /a"},
		{"PUT /?secret", "PUT /"},
		{"?", ""},
		{"", ""},
		{"GET /\x1b[31m HTTP/1.1\r\n", "GET /"},
		{"GET /567890123456789012345678901234567890123456789012345678901234567890 HTTP/1.1",
		 "GET /567890123456789012345678901234567890123456789012345678901234567890 HTTP/1."},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rescue_note note = {};

		rescue_note_request(&note, rows[i].request, strlen(rows[i].request));
		assert_string_equal(note.request, rows[i].line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_line_of_a_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* stderr goes to a file in memory while a test runs. */
struct capture {
	int saved, file;
	char text[32768];
};

static void capture_begin(struct capture *capture)
{
	capture->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	capture->file = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(capture->saved >= 0 && capture->file >= 0);
	assert_return_code(dup2(capture->file, STDERR_FILENO), errno);
}

static void capture_end(struct capture *capture)
{
	ssize_t n;

	dup2(capture->saved, STDERR_FILENO);
	n = pread(capture->file, capture->text, sizeof(capture->text) - 1, 0);
	close(capture->saved);
	close(capture->file);
	assert_true(n >= 0);
	capture->text[n] = '\0';
}

/* Compares what comes after the time. */
static void assert_line(const char *line, const char *expected)
{
	assert_true(strlen(line) > strlen("2026-11-22T10:00:00.123Z "));
	assert_int_equal(line[10], 'T');
	assert_int_equal(line[19], '.');
	assert_string_equal(line + 23, expected);
}

static void test_line_is_escaped(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"plain", "Z level=warn msg=\"plain\"\n"},
		{"", "Z level=warn msg=\"\"\n"},
		{"a \"b\" c:\\d", "Z level=warn msg=\"a \\\"b\\\" c:\\\\d\"\n"},
		{"two\nlines\r\t", "Z level=warn msg=\"two\\nlines\\x0d\\x09\"\n"},
		{"\x1b[31m\x7f", "Z level=warn msg=\"\\x1b[31m\\x7f\"\n"},
		{"gr\xc3\xbc\xc3\x9f", "Z level=warn msg=\"gr\xc3\xbc\xc3\x9f\"\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct capture capture = {};

		capture_begin(&capture);
		log_warn("%s", rows[i].text);
		capture_end(&capture);
		assert_line(capture.text, rows[i].expected);
	}
}

static void test_long_line_is_cut(void **state)
{
	struct capture capture = {};
	char text[10000];
	size_t len;

	(void)state;
	memset(text, 1, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	capture_begin(&capture);
	log_error("%s", text);
	capture_end(&capture);
	len = strlen(capture.text);
	assert_true(len > 4000);
	assert_string_equal(capture.text + len - 6, "\\x01\"\n");
}

static void test_level(void **state)
{
	struct capture capture = {};

	(void)state;
	capture_begin(&capture);
	log_debug("hidden");
	log_set_level(LOG_ERROR);
	log_warn("hidden");
	assert_false(log_enabled(LOG_WARN));
	log_set_level(LOG_DEBUG);
	log_debug("shown");
	log_set_level(LOG_INFO);
	capture_end(&capture);
	assert_line(capture.text, "Z level=debug msg=\"shown\"\n");
}

static void test_level_names(void **state)
{
	static const char *const wrong[] = {"", "Info", "information", "4"};
	enum log_level level = LOG_LEVEL_COUNT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(log_level_from_str(wrong[i], &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_COUNT);
	assert_int_equal(log_level_from_str("error", &level), 0);
	assert_int_equal(level, LOG_ERROR);
	assert_int_equal(log_level_from_str("debug", &level), 0);
	assert_int_equal(level, LOG_DEBUG);
}

static void test_errno_survives(void **state)
{
	struct capture capture = {};
	int after;

	(void)state;
	capture_begin(&capture);
	errno = ENOENT;
	log_error("opening \"%s\": %m", "x");
	after = errno;
	capture_end(&capture);
	assert_int_equal(after, ENOENT);
	assert_line(capture.text,
		    "Z level=error msg=\"opening \\\"x\\\": No such file or directory\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_is_escaped), cmocka_unit_test(test_long_line_is_cut),
		cmocka_unit_test(test_level),           cmocka_unit_test(test_level_names),
		cmocka_unit_test(test_errno_survives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded bodies of watches, cut at every place. */
#include "source/kube_frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/recorded.h"

struct lines {
	size_t count;
	size_t bytes;
	uint64_t hash;
};

static void note_line(struct lines *lines, const char *line, size_t size)
{
	assert_true(size > 0);
	assert_null(memchr(line, '\n', size));
	lines->count++;
	lines->bytes += size;
	for (size_t i = 0; i <= size; i++)
		lines->hash = lines->hash * 31 + (i < size ? (unsigned char)line[i] : '\n');
}

static void read_lines(struct kube_frame *frame, struct lines *lines)
{
	const char *line;
	size_t size;
	int r;

	while ((r = kube_frame_next(frame, &line, &size)) == 1)
		note_line(lines, line, size);
	assert_int_equal(r, 0);
}

static struct lines expected_lines(const char *body, size_t size)
{
	struct lines lines = {};
	const char *end = body + size;

	for (const char *at = body; at < end;) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		if (!newline)
			break;
		if (newline > at)
			note_line(&lines, at, (size_t)(newline - at));
		at = newline + 1;
	}
	return lines;
}

static void assert_lines_equal(const struct lines *a, const struct lines *b)
{
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->bytes, b->bytes);
	assert_true(a->hash == b->hash);
}

static void check_pieces(const char *body, size_t size, size_t piece)
{
	struct lines expected = expected_lines(body, size);
	struct kube_frame frame = {};
	struct lines lines = {};

	for (size_t at = 0; at < size; at += piece) {
		size_t len = size - at < piece ? size - at : piece;

		assert_int_equal(kube_frame_add(&frame, body + at, len), 0);
		read_lines(&frame, &lines);
	}
	assert_lines_equal(&lines, &expected);
	assert_int_equal(kube_frame_rest(&frame), 0);
	kube_frame_done(&frame);
}

static void check_cut(const char *body, size_t size, size_t cut)
{
	struct lines expected = expected_lines(body, size);
	struct kube_frame frame = {};
	struct lines lines = {};

	assert_int_equal(kube_frame_add(&frame, body, cut), 0);
	read_lines(&frame, &lines);
	assert_int_equal(kube_frame_rest(&frame) > 0, cut > 0 && body[cut - 1] != '\n');
	assert_int_equal(kube_frame_add(&frame, body + cut, size - cut), 0);
	read_lines(&frame, &lines);
	assert_lines_equal(&lines, &expected);
	kube_frame_done(&frame);
}

static void test_recorded_watches_cut_anywhere(void **state)
{
	glob_t files;

	(void)state;
	assert_int_equal(glob("tests/data/kube/*-watch-*.http", 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= 6);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		size_t size;
		char *body = recorded_body(files.gl_pathv[i], &size);

		assert_true(size > 100);
		for (size_t cut = 0; cut <= size; cut++)
			check_cut(body, size, cut);
		check_pieces(body, size, 1);
		check_pieces(body, size, 7);
		check_pieces(body, size, size);
		free(body);
	}
	globfree(&files);
}

static void test_empty_lines_and_carriage_returns(void **state)
{
	static const char body[] = "\n\r\na\r\n\n\nbc\n\r\n";
	struct kube_frame frame = {};
	const char *line;
	size_t size;

	(void)state;
	assert_int_equal(kube_frame_add(&frame, body, sizeof(body) - 1), 0);
	assert_int_equal(kube_frame_next(&frame, &line, &size), 1);
	assert_int_equal(size, 1);
	assert_memory_equal(line, "a", 1);
	assert_int_equal(kube_frame_next(&frame, &line, &size), 1);
	assert_int_equal(size, 2);
	assert_memory_equal(line, "bc", 2);
	assert_int_equal(kube_frame_next(&frame, &line, &size), 0);
	assert_int_equal(kube_frame_rest(&frame), 0);
	kube_frame_done(&frame);
}

static void test_rest_of_a_cut_line(void **state)
{
	struct kube_frame frame = {};
	const char *line;
	size_t size;

	(void)state;
	assert_int_equal(kube_frame_add(&frame, "one\ntwo", 7), 0);
	assert_int_equal(kube_frame_next(&frame, &line, &size), 1);
	assert_int_equal(kube_frame_rest(&frame), 3);
	assert_int_equal(kube_frame_next(&frame, &line, &size), 0);
	assert_int_equal(kube_frame_rest(&frame), 3);
	kube_frame_done(&frame);
	assert_int_equal(kube_frame_rest(&frame), 0);
}

/* The size is counted without memory being needed for it twice: 1 MiB at a time. */
static void test_a_line_too_long(void **state)
{
	enum { PIECE = 1024 * 1024 };
	struct kube_frame frame = {};
	char *piece = malloc(PIECE);
	const char *line;
	size_t size;

	(void)state;
	assert_non_null(piece);
	memset(piece, 'x', PIECE);
	for (size_t sum = 0; sum < KUBE_FRAME_LINE_MAX; sum += PIECE) {
		assert_int_equal(kube_frame_add(&frame, piece, PIECE), 0);
		assert_int_equal(kube_frame_next(&frame, &line, &size), 0);
	}
	assert_int_equal(kube_frame_add(&frame, "x", 1), 0);
	assert_int_equal(kube_frame_next(&frame, &line, &size), -EFBIG);
	kube_frame_done(&frame);
	free(piece);
}

static void test_too_much_waits(void **state)
{
	struct kube_body body = {};
	size_t size;

	(void)state;
	assert_int_equal(kube_body_add(&body, "abcd", 4, 6), 0);
	assert_int_equal(kube_body_add(&body, "efg", 3, 6), -EFBIG);
	assert_int_equal(kube_body_add(&body, "ef", 2, 6), 0);
	assert_memory_equal(kube_body_get(&body, &size), "abcdef", 6);
	kube_body_drop(&body, 4);
	assert_int_equal(kube_body_add(&body, "ghij", 4, 6), 0);
	assert_memory_equal(kube_body_get(&body, &size), "efghij", 6);
	assert_int_equal(size, 6);
	kube_body_done(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_watches_cut_anywhere),
		cmocka_unit_test(test_empty_lines_and_carriage_returns),
		cmocka_unit_test(test_rest_of_a_cut_line),
		cmocka_unit_test(test_a_line_too_long),
		cmocka_unit_test(test_too_much_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/answer_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct answer_stream make(const char *text, uint32_t seq, uint32_t window)
{
	struct answer_stream stream = {.seq = seq, .window = window};

	assert_int_equal(bytes_append(&stream.data, text, strlen(text)), 0);
	return stream;
}

static void test_all_at_once(void **state)
{
	struct answer_stream stream = make("hello", 100, 1000);
	struct answer_piece piece;

	(void)state;
	stream.end = true;
	assert_true(answer_stream_waits(&stream));
	assert_true(answer_stream_next(&stream, 1000, &piece));
	assert_int_equal(piece.at, 0);
	assert_int_equal(piece.len, 5);
	assert_true(piece.fin);
	assert_false(answer_stream_next(&stream, 1000, &piece));
	assert_true(answer_stream_ack(&stream, 106, 1000));
	assert_true(stream.done);
	assert_false(answer_stream_waits(&stream));
	assert_false(answer_stream_next(&stream, 1000, &piece));
	bytes_done(&stream.data);
}

static void test_a_piece_that_is_too_long(void **state)
{
	struct answer_stream stream = make("hello", 100, 1000);
	struct answer_piece piece;

	(void)state;
	stream.end = true;
	assert_true(answer_stream_next(&stream, 2, &piece));
	assert_true(answer_stream_next(&stream, 10, &piece));
	assert_int_equal(piece.len, 3);
	assert_true(piece.fin);
	answer_stream_take_back(&stream, &piece);
	assert_true(answer_stream_next(&stream, 2, &piece));
	assert_int_equal(piece.at, 2);
	assert_int_equal(piece.len, 2);
	assert_false(piece.fin);
	assert_true(answer_stream_next(&stream, 2, &piece));
	assert_int_equal(piece.at, 4);
	assert_true(piece.fin);
	bytes_done(&stream.data);
}

static void test_the_window_limits(void **state)
{
	struct answer_stream stream = make("0123456789", UINT32_MAX - 1, 4);
	struct answer_piece piece;

	(void)state;
	assert_true(answer_stream_next(&stream, 3, &piece));
	assert_int_equal(piece.len, 3);
	assert_true(answer_stream_next(&stream, 3, &piece));
	assert_int_equal(piece.at, 3);
	assert_int_equal(piece.len, 1);
	assert_false(answer_stream_next(&stream, 3, &piece));
	/* The sequence number wraps. */
	assert_true(answer_stream_ack(&stream, 1, 2));
	assert_int_equal(stream.seq, 1);
	assert_true(answer_stream_next(&stream, 9, &piece));
	assert_int_equal(piece.at, 1);
	assert_int_equal(piece.len, 1);
	assert_false(answer_stream_ack(&stream, 1, 100));
	assert_true(answer_stream_next(&stream, 9, &piece));
	assert_int_equal(piece.len, 5);
	assert_false(piece.fin);
	bytes_done(&stream.data);
}

static void test_what_is_old_or_from_the_future_counts_for_nothing(void **state)
{
	struct answer_stream stream = make("0123456789", 100, 1000);

	(void)state;
	assert_false(answer_stream_ack(&stream, 99, 7));
	assert_false(answer_stream_ack(&stream, 111, 7));
	assert_int_equal(stream.window, 1000);
	assert_true(answer_stream_ack(&stream, 110, 7));
	assert_int_equal(stream.window, 7);
	assert_false(stream.done);
	bytes_done(&stream.data);
}

/* The FIN alone, when it is known only later that there is nothing more. */
static void test_a_late_end(void **state)
{
	struct answer_stream stream = make("ab", 1, 2);
	struct answer_piece piece;

	(void)state;
	assert_true(answer_stream_next(&stream, 9, &piece));
	assert_false(piece.fin);
	stream.end = true;
	assert_true(answer_stream_next(&stream, 9, &piece));
	assert_int_equal(piece.len, 0);
	assert_true(piece.fin);
	assert_true(answer_stream_ack(&stream, 3, 0));
	assert_false(stream.done);
	assert_true(answer_stream_waits(&stream));
	answer_stream_rewind(&stream);
	assert_true(answer_stream_next(&stream, 9, &piece));
	assert_true(piece.fin);
	assert_true(answer_stream_ack(&stream, 4, 0));
	assert_true(stream.done);
	bytes_done(&stream.data);
}

/* A client that loses, and whose window opens and closes, gets every byte in the end. */
static void test_any_loss(void **state)
{
	enum { SIZE = 5000 };
	unsigned int seed = 1;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct answer_stream stream = {.seq = (uint32_t)rand_r(&seed), .window = 100};
		char sent[SIZE], got[SIZE];
		uint32_t first = stream.seq, next = stream.seq;
		bool fin = false;

		for (int i = 0; i < SIZE; i++)
			sent[i] = (char)rand_r(&seed);
		assert_int_equal(bytes_append(&stream.data, sent, SIZE), 0);
		stream.end = true;
		for (int i = 0; i < 100000 && !stream.done; i++) {
			struct answer_piece piece;

			if (!answer_stream_next(&stream, 1 + (size_t)rand_r(&seed) % 300, &piece)) {
				answer_stream_ack(&stream, next + fin,
						  (uint32_t)rand_r(&seed) % 900);
				answer_stream_rewind(&stream);
				continue;
			}
			if (rand_r(&seed) % 4 == 0 || stream.seq + piece.at != next)
				continue;
			memcpy(got + (next - first), stream.data.items + piece.at, piece.len);
			next += (uint32_t)piece.len;
			fin = piece.fin;
			if (rand_r(&seed) % 2)
				answer_stream_ack(&stream, next + fin,
						  (uint32_t)rand_r(&seed) % 900);
		}
		assert_true(stream.done);
		assert_int_equal(next - first, SIZE);
		assert_memory_equal(got, sent, SIZE);
		bytes_done(&stream.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_a_piece_that_is_too_long),
		cmocka_unit_test(test_the_window_limits),
		cmocka_unit_test(test_what_is_old_or_from_the_future_counts_for_nothing),
		cmocka_unit_test(test_a_late_end),
		cmocka_unit_test(test_any_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending half of TCP, as little of it as delivers bytes over the loopback device: a buffer of
 * what is not acknowledged yet, the client's window, and going back to the first unacknowledged byte
 * when nothing comes. No congestion control: nothing is shared with anybody. Pure.
 */
#pragma once

#include "rescue/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct answer_stream {
	struct bytes data; /* from seq on; append with bytes_append() */
	uint32_t seq;      /* the first that is not acknowledged */
	uint32_t window;   /* what the client takes from seq on, in bytes */
	bool end;          /* there is nothing behind the data: the FIN may go */
	size_t sent;       /* private: how much of it, counting the FIN */
	bool done;         /* all is acknowledged, the FIN too */
};

/* What is to be sent next: `len` bytes of data.items from `at` on, and the FIN. */
struct answer_piece {
	size_t at;
	size_t len;
	bool fin;
};

/* Returns whether there is something that may be sent now, at most `max` bytes, and counts it. */
bool answer_stream_next(struct answer_stream *stream, size_t max, struct answer_piece *ret);

/* That piece, the last one, could not be sent: it is the next one again. */
void answer_stream_take_back(struct answer_stream *stream, const struct answer_piece *piece);

/* The client has sent a segment. Returns whether it acknowledges anything new. */
bool answer_stream_ack(struct answer_stream *stream, uint32_t ack, uint32_t window);

/* Nothing came: all that is not acknowledged is sent again. */
void answer_stream_rewind(struct answer_stream *stream);

/* Whether something waits for the client, be it an acknowledgement or room. */
bool answer_stream_waits(const struct answer_stream *stream);

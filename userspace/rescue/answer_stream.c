/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/answer_stream.h"

bool answer_stream_next(struct answer_stream *stream, size_t max, struct answer_piece *ret)
{
	size_t window = stream->window, at = stream->sent, len;

	if (at > stream->data.len || stream->done)
		return false; /* the FIN was sent, too */
	len = stream->data.len - at;
	if (len > max)
		len = max;
	if (at + len > window)
		len = window > at ? window - at : 0;
	ret->at = at;
	ret->len = len;
	ret->fin = stream->end && at + len == stream->data.len;
	if (!len && !ret->fin)
		return false;
	stream->sent += len + ret->fin;
	return true;
}

void answer_stream_take_back(struct answer_stream *stream, const struct answer_piece *piece)
{
	stream->sent = piece->at;
}

bool answer_stream_ack(struct answer_stream *stream, uint32_t ack, uint32_t window)
{
	uint32_t count = ack - stream->seq;
	size_t all = stream->data.len + stream->end;

	/* What is old, or acknowledges what was never sent, has an old window, too. */
	if (count > all)
		return false;
	stream->window = window;
	if (!count || stream->done)
		return false;
	if (count > stream->data.len) {
		stream->done = true;
		count = (uint32_t)stream->data.len;
	}
	bytes_drop(&stream->data, count);
	stream->seq += count;
	stream->sent = stream->sent > count ? stream->sent - count : 0;
	return true;
}

void answer_stream_rewind(struct answer_stream *stream)
{
	stream->sent = 0;
}

bool answer_stream_waits(const struct answer_stream *stream)
{
	return !stream->done && (stream->data.len || stream->end);
}

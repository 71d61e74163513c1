/* SPDX-License-Identifier: Apache-2.0 */
/* Each byte is looked at once, however small the pieces are in which a line comes. */
#include "source/kube_frame.h"

#include <errno.h>
#include <string.h>

int kube_frame_add(struct kube_frame *frame, const char *bytes, size_t size)
{
	return kube_body_add(&frame->body, bytes, size, 4UL * KUBE_FRAME_LINE_MAX);
}

static void drop_used(struct kube_frame *frame)
{
	kube_body_drop(&frame->body, frame->used);
	frame->used = 0;
}

int kube_frame_next(struct kube_frame *frame, const char **ret_line, size_t *ret_size)
{
	const char *bytes;
	const char *newline;
	size_t size;

	for (;;) {
		drop_used(frame);
		bytes = kube_body_get(&frame->body, &size);
		newline = size > frame->scanned
				  ? memchr(bytes + frame->scanned, '\n', size - frame->scanned)
				  : NULL;
		frame->scanned = newline ? 0 : size;
		if ((newline ? (size_t)(newline - bytes) : size) > KUBE_FRAME_LINE_MAX)
			return -EFBIG;
		if (!newline)
			return 0;
		frame->used = (size_t)(newline - bytes) + 1;
		size = frame->used - 1;
		if (size > 0 && bytes[size - 1] == '\r')
			size--;
		if (size == 0)
			continue;
		*ret_line = bytes;
		*ret_size = size;
		return 1;
	}
}

size_t kube_frame_rest(const struct kube_frame *frame)
{
	size_t size;

	kube_body_get(&frame->body, &size);
	return size - frame->used;
}

void kube_frame_done(struct kube_frame *frame)
{
	kube_body_done(&frame->body);
	*frame = (struct kube_frame){};
}

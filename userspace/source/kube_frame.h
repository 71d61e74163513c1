/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a watch, in pieces of any size, to one event at a time: events are lines. Pure. */
#pragma once

#include "source/kube_body.h"

struct kube_frame {
	/* private; start with {} */
	struct kube_body body;
	size_t scanned; /* so far without a newline */
	size_t used;    /* size of the line given out last, with its newline */
};

/* A line that is longer is an error: an object of the API server has at most some megabytes. */
enum { KUBE_FRAME_LINE_MAX = 64 * 1024 * 1024 };

/*
 * Appends bytes. Returns 0, -ENOMEM, or -EFBIG if the events that wait would be more than four times
 * KUBE_FRAME_LINE_MAX.
 */
int kube_frame_add(struct kube_frame *frame, const char *bytes, size_t size);

/*
 * The next complete line, without its newline; empty lines are left out. It is borrowed until the
 * next call. Returns 1, 0 if there is none yet, -EFBIG if it is longer than KUBE_FRAME_LINE_MAX.
 */
int kube_frame_next(struct kube_frame *frame, const char **ret_line, size_t *ret_size);

/* How many bytes of an incomplete line wait: not 0 at the end means that it was cut. */
size_t kube_frame_rest(const struct kube_frame *frame);

/* Drops all; the frame can be used for another body. */
void kube_frame_done(struct kube_frame *frame);

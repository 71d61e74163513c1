/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of an answer that have come in and have not been used yet. Pure. */
#pragma once

#include <stddef.h>

struct kube_body {
	/* private; start with {} */
	char *bytes;
	size_t start;
	size_t end;
	size_t cap;
};

/* Appends. Returns 0, -ENOMEM, or -EFBIG if more than `max` bytes would wait. */
int kube_body_add(struct kube_body *body, const char *bytes, size_t size, size_t max);

/* The bytes that wait: *ret_size of them, borrowed until the next call that adds or drops. */
const char *kube_body_get(const struct kube_body *body, size_t *ret_size);

/* The first `size` bytes have been used. */
void kube_body_drop(struct kube_body *body, size_t size);

/* Drops all, and gives the memory back. */
void kube_body_done(struct kube_body *body);

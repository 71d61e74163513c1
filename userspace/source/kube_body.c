/* SPDX-License-Identifier: Apache-2.0 */
#include "source/kube_body.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is kept when nothing waits: answers come in pieces of 16 KiB. */
enum { KEPT_MAX = 64 * 1024 };

/* Moves what waits to the front, where what was used leaves room. */
static void compact(struct kube_body *body)
{
	memmove(body->bytes, body->bytes + body->start, body->end - body->start);
	body->end -= body->start;
	body->start = 0;
}

static int make_room(struct kube_body *body, size_t size)
{
	size_t used = body->end - body->start;
	size_t cap = body->cap ? body->cap : KEPT_MAX / 2;
	char *bytes;

	if (size <= body->cap - body->end)
		return 0;
	/* Half of it at least: each byte is moved a bounded number of times. */
	if (body->start >= used && used + size <= body->cap) {
		compact(body);
		return 0;
	}
	while (cap < used + size)
		cap *= 2;
	if (used > cap / 2)
		cap *= 2;
	bytes = malloc(cap);
	if (!bytes)
		return -ENOMEM;
	if (used)
		memcpy(bytes, body->bytes + body->start, used);
	free(body->bytes);
	*body = (struct kube_body){.bytes = bytes, .end = used, .cap = cap};
	return 0;
}

int kube_body_add(struct kube_body *body, const char *bytes, size_t size, size_t max)
{
	size_t used = body->end - body->start;
	int r;

	if (size > max || used > max - size)
		return -EFBIG;
	if (size == 0)
		return 0;
	r = make_room(body, size);
	if (r < 0)
		return r;
	memcpy(body->bytes + body->end, bytes, size);
	body->end += size;
	return 0;
}

const char *kube_body_get(const struct kube_body *body, size_t *ret_size)
{
	*ret_size = body->end - body->start;
	return body->bytes ? body->bytes + body->start : "";
}

void kube_body_drop(struct kube_body *body, size_t size)
{
	body->start += size;
	if (body->start < body->end)
		return;
	body->start = body->end = 0;
	if (body->cap > KEPT_MAX)
		kube_body_done(body);
}

void kube_body_done(struct kube_body *body)
{
	free(body->bytes);
	*body = (struct kube_body){};
}

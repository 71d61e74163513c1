/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which objects of one resource have been reported, so that a new list reports only what is
 * different. Takes JSON of objects, decodes it, and logs what is wrong with it, once for each
 * change of what is wrong.
 */
#pragma once

#include "source/decode_watch.h"
#include "source/source.h"

#include <stddef.h>
#include <stdint.h>

struct kube_objects; /* opaque */

struct kube_objects_config {
	struct source_events events; /* of which `synced` is not used */
	const char *proxy_name;      /* borrowed; see decode.h */
};

/* Returns 0 or -ENOMEM. */
int kube_objects_new(const struct kube_objects_config *config, struct kube_objects **ret);

/* Reports nothing. NULL is allowed. */
void kube_objects_free(struct kube_objects *objects);

size_t kube_objects_count(const struct kube_objects *objects);

/* A list begins: from now on it is noted which objects it has. */
void kube_objects_begin_list(struct kube_objects *objects);

/*
 * An item of a list, of this kind if it does not say another one. Reports it if it is new or has
 * changed; one that does not decode keeps its last good state. Returns 0, also after problems, or
 * -ENOMEM: then it has to come again.
 */
int kube_objects_item(struct kube_objects *objects, enum object_kind kind, const char *text,
		      size_t size);

/* The list is complete: reports as removed what was not in it. */
void kube_objects_end_list(struct kube_objects *objects);

/*
 * An event of a watch; *ret tells what it was. Returns 0, -EINVAL if it is no event, -ENOMEM: then
 * nothing of it has been applied.
 */
int kube_objects_watch(struct kube_objects *objects, enum object_kind kind, const char *text,
		       size_t size, struct decode_watch_event *ret);

/* Reports all objects as removed. */
void kube_objects_clear(struct kube_objects *objects);

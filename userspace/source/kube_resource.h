/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One resource of the API server, for kube.c: makes the requests that kube_watch asks for, and
 * feeds it with what comes of them. Logs problems with objects, not those of the connection.
 */
#pragma once

#include "loop/loop.h"
#include "net/http_stream.h"
#include "source/kube_frame.h"
#include "source/kube_list.h"
#include "source/kube_objects.h"
#include "source/kube_request.h"

#include <stdbool.h>
#include <stdint.h>

struct kube_resource;

/* What kube.c does for its resources. */
struct kube_resource_owner {
	/* Opens a request: fills in who we are. Returns 0 or -errno. */
	int (*open)(void *arg, struct http_stream_get *get, struct http_stream **ret);
	/* There is something for kube_resource_work(). */
	void (*wake)(void *arg);
	/* The server has given a good answer. `peer`: its address. */
	void (*answered)(void *arg, struct kube_resource *resource, const char *peer);
	/*
	 * It has not. `error` as in struct http_stream_end, `code`: HTTP status or 0. `missing`: the
	 * resource is unknown or forbidden. The owner may restart the resource from inside.
	 */
	void (*failed)(void *arg, struct kube_resource *resource, int error, int code, bool missing,
		       const char *text);
	void *arg;
};

struct kube_resource {
	bool listed;            /* once at least */
	uint64_t failing_since; /* kept by the owner; ns, 0: it is not */
	/* private */
	const struct kube_resource_owner *owner; /* borrowed */
	struct loop *loop;                       /* borrowed */
	struct kube_request request;             /* borrowed strings */
	struct kube_watch watch;
	struct kube_objects *objects;
	struct loop_timer timer;
	struct http_stream *stream;
	bool is_list; /* what the request was for */
	struct kube_list list;
	struct kube_frame frame;
	struct kube_body refusal; /* body of an answer with a status other than 200 */
	int status;               /* of the answer; 0: none yet */
	char peer[64];
	bool new_head, new_data; /* not yet told to watch */
	int body_error;          /* of what came; -errno */
	bool ended;              /* the request; its end is in: */
	struct http_stream_end end;
	char end_text[256];
};

struct kube_resource_config {
	struct loop *loop;
	const struct kube_resource_owner *owner;
	struct kube_request request;
	struct source_events events;
};

/* Returns 0 or -ENOMEM. Both structs of the config are borrowed. */
int kube_resource_init(struct kube_resource *resource, const struct kube_resource_config *config);

/* Cancels what is under way. Allowed on a zeroed struct. */
void kube_resource_done(struct kube_resource *resource);

/* Begins, or begins anew: with objects of this kind; what was reported before is kept for now. */
void kube_resource_start(struct kube_resource *resource, enum object_kind kind);

/* Handles what has come, until `until` (ns). Returns whether there is more. */
bool kube_resource_work(struct kube_resource *resource, uint64_t until);

/* The server can be reached again. */
void kube_resource_hurry(struct kube_resource *resource);

const char *kube_resource_name(const struct kube_resource *resource);
size_t kube_resource_count(const struct kube_resource *resource);

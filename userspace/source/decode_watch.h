/* SPDX-License-Identifier: Apache-2.0 */
/* What the API server says around objects: events of a watch, heads of lists, and Status. Pure. */
#pragma once

#include "source/decode.h"

enum {
	DECODE_VERSION_SIZE = 128,
	DECODE_CONTINUE_SIZE = 4096,
	DECODE_NAMESPACE_SIZE = 64,
	DECODE_OBJECT_NAME_SIZE = 254,
	DECODE_MESSAGE_SIZE = 256,
};

enum decode_watch_type {
	DECODE_WATCH_PUT, /* ADDED and MODIFIED */
	DECODE_WATCH_DELETED,
	DECODE_WATCH_BOOKMARK,
	DECODE_WATCH_ERROR,
};

/* kind: Status. Where something is not said, or too long, it is 0 or "". */
struct decode_status {
	int code;
	char reason[64];
	char message[DECODE_MESSAGE_SIZE];
	char continue_token[DECODE_CONTINUE_SIZE];
};

struct decode_watch_event {
	enum decode_watch_type type;
	char version[DECODE_VERSION_SIZE];     /* resourceVersion; "" in an ERROR */
	char namespace[DECODE_NAMESPACE_SIZE]; /* of the object; "" if it has none */
	char name[DECODE_OBJECT_NAME_SIZE];    /* "" in a BOOKMARK and an ERROR */
	struct decode_status status;           /* of an ERROR */
};

/*
 * Decodes one event. The object of a PUT is reported to `events` as decode_as() does; one that is
 * not for us is not reported, but its names are in *ret. Returns 0; -EINVAL if the text is no
 * event, or one without what it must have (after a problem was reported); -ENOMEM. On failure *ret
 * is undefined.
 */
int decode_watch_event(enum object_kind kind, const char *text, size_t size,
		       const struct decode_events *events, struct decode_watch_event *ret);

struct decode_list_head {
	char version[DECODE_VERSION_SIZE];
	char continue_token[DECODE_CONTINUE_SIZE]; /* "": this was the last page */
};

/* The metadata of a list. Returns 0, -EINVAL if it has no resourceVersion, -ENOMEM. */
int decode_list_head(const char *text, size_t size, struct decode_list_head *ret);

/* A Status. Returns 0, -EINVAL if the text is none, -ENOMEM. */
int decode_status(const char *text, size_t size, struct decode_status *ret);

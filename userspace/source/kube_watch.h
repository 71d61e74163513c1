/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List and watch of one resource, as a state machine: what happened goes in, what to do comes out.
 * Pure: no I/O, no clock.
 *
 * A list in pages, then a watch from its version; a watch that ends is resumed from the version
 * that was seen last. A new list is made when that version is too old (410), when watches fail
 * repeatedly, and when the server may have been set back to an older state (a restored backup), in
 * which our version is still to come, or stands for something else: after it did not answer, and
 * when a watch was open for long without even a bookmark.
 */
#pragma once

#include "source/decode_watch.h"

#include <stdbool.h>
#include <stdint.h>

enum kube_watch_state {
	KUBE_WATCH_IDLE,     /* not started */
	KUBE_WATCH_LISTING,  /* the request for a page is under way */
	KUBE_WATCH_WATCHING, /* the request for a watch is under way */
	KUBE_WATCH_WAITING,  /* none is; there will be one at the deadline */
	KUBE_WATCH_STATE_COUNT
};

enum kube_happened {
	KUBE_START,
	KUBE_TIMER,    /* to be told at the deadline; earlier is allowed */
	KUBE_HEAD,     /* an answer with status 200 begins */
	KUBE_DATA,     /* some bytes of it came */
	KUBE_PAGE,     /* a page is complete: version, token */
	KUBE_OBJECT,   /* an object was put or deleted: version */
	KUBE_BOOKMARK, /* version */
	KUBE_REFUSED, /* an answer with another status, or an ERROR event: code, retry_after, token */
	KUBE_END,     /* the answer to a watch ended as it should */
	KUBE_CUT,     /* the request failed, or the answer was cut */
	KUBE_GARBAGE, /* the answer makes no sense */
	KUBE_HURRY,   /* the server was away and is back, as another resource found out */
	KUBE_HAPPENED_COUNT
};

struct kube_event {
	enum kube_happened type;
	const char *version;
	const char *token; /* for the next page; NULL or "": none */
	int code;
	unsigned int retry_after; /* s */
};

enum kube_request_type {
	KUBE_KEEP,  /* what is under way goes on */
	KUBE_LIST,  /* end what is under way, and request a page: watch->token */
	KUBE_WATCH, /* the same for a watch: watch->version, watch->timeout */
	KUBE_STOP,  /* end what is under way */
};

struct kube_action {
	enum kube_request_type request;
	bool fresh;      /* on a new connection: the one before is silent */
	bool first_page; /* a list begins */
	bool listed;     /* a list is complete: what was in no page is gone */
	bool missing;    /* the resource is unknown to the server, or forbidden */
};

struct kube_watch {
	enum kube_watch_state state;
	uint64_t deadline; /* ns; when KUBE_TIMER is wanted at the latest; never 0 once started */
	char version[DECODE_VERSION_SIZE]; /* last seen */
	char token[DECODE_CONTINUE_SIZE];  /* of the page that is next; "": the first one */
	unsigned int timeout;              /* s, of the watch */
	/* private */
	char list_version[DECODE_VERSION_SIZE]; /* of the first page */
	enum kube_watch_state next;             /* after WAITING */
	bool fresh;            /* the connection was silent; until an answer comes on another one */
	bool impatient;        /* it waits because of a failure, not because it was told to */
	bool lost;             /* the request before got no answer */
	bool opened;           /* the answer to this request has begun */
	bool heard;            /* this watch has told something */
	uint64_t since;        /* when this request began */
	uint64_t backoff;      /* ns */
	bool expired;          /* the version was too old, and nothing was heard since */
	unsigned int failures; /* watches in a row that were opened and told nothing */
	uint64_t random;
};

/* `seed` makes what is random different in each process. */
void kube_watch_init(struct kube_watch *watch, uint64_t seed);

/* Something happened. What does not fit the state is ignored: it is late. */
struct kube_action kube_watch_step(struct kube_watch *watch, const struct kube_event *event,
				   uint64_t now);

const char *kube_watch_state_to_str(enum kube_watch_state state);

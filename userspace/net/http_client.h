/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests on the loop, by libcurl's multi interface. Codes of libcurl stay inside: callers
 * see -errno and HTTP statuses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client; /* opaque */
struct loop;

/* Returns 0 or -errno. Borrows the loop, which must outlive it. */
int http_client_new(struct loop *loop, struct http_client **ret);

/* Cancels what is under way, without callbacks. NULL is allowed. */
void http_client_free(struct http_client *client);

struct http_result {
	/*
	 * 0: an answer came, see status. Else -errno: -ECONNREFUSED, -ECONNRESET (also: closed
	 * before an answer), -ETIMEDOUT, -EHOSTUNREACH, -ENETUNREACH, -EPROTO (no HTTP), -EIO.
	 */
	int error;
	int status;         /* 200 … */
	const char *detail; /* a few words for people, borrowed for the call */
};

struct http_request; /* opaque: a request under way */

/* A GET that looks at the status only and reads at most 10 KiB of the body. */
struct http_get {
	const char *url;        /* copied */
	const char *user_agent; /* copied */
	uint64_t timeout;       /* ns, for all of it */
	bool fresh;             /* on a connection of its own, reset after it */
	void (*done)(void *arg, const struct http_result *result);
	void *arg;
};

/*
 * Starts a request. `done` is called once, from the loop, never from inside this call; not after
 * http_request_cancel(). Neither proxy settings nor credentials of the environment are used.
 * Redirects are not followed. Returns 0 or -errno.
 */
int http_client_get(struct http_client *client, const struct http_get *get,
		    struct http_request **ret);

/* Ends a request without a callback. NULL is allowed. Not after `done` was called. */
void http_request_cancel(struct http_request *request);

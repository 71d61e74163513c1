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
	 * before an answer), -ETIMEDOUT, -EHOSTUNREACH, -ENETUNREACH, -EPROTO (no HTTP, no TLS),
	 * -EIO.
	 */
	int error;
	int status;         /* 200 … */
	const char *detail; /* a few words for people, borrowed for the call */

	/* Its beginning, borrowed for the call; body_size may be larger: what came of it. */
	const uint8_t *body;
	size_t body_size;
	int grpc_status; /* of the header or trailer "grpc-status"; -1: none, or no number */
};

enum { HTTP_BODY_KEPT = 64 };

struct http_request; /* opaque: a request under way */

/* A GET that looks at the status and reads at most 10 KiB of the body. */
struct http_get {
	const char *url;        /* copied. https: certificates are not verified */
	const char *user_agent; /* copied */
	uint64_t timeout;       /* ns, for all of it */
	bool fresh;             /* on a connection of its own, reset after it */
	bool follow;            /* redirects, at most ten, to the URL's host */

	/*
	 * Connects to this address instead of the URL's host, which goes into "Host", without the
	 * port, and into TLS' server name. Copied; NULL: connects to the URL's host.
	 */
	const char *address;

	/*
	 * More of them: "Name: value\n" each. "User-Agent", "Accept" and "Host" replace what would
	 * be sent; with an empty value nothing is sent of the first two. Copied; NULL: none.
	 */
	const char *headers;

	/* Not NULL: a gRPC call over plaintext HTTP/2 with this message instead. Copied. */
	const void *grpc;
	size_t grpc_size;

	void (*done)(void *arg, const struct http_result *result);
	void *arg;
};

/*
 * Starts a request. `done` is called once, from the loop, never from inside this call; not after
 * http_request_cancel(). Neither proxy settings nor credentials of the environment are used. A
 * redirect that is not followed is the answer. Returns 0 or -errno.
 */
int http_client_get(struct http_client *client, const struct http_get *get,
		    struct http_request **ret);

/* Ends a request without a callback. NULL is allowed. Not after `done` was called. */
void http_request_cancel(struct http_request *request);

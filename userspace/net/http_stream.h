/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET requests whose answers are handed over as they come in: lists and watches of an API server.
 * HTTP/1.1, and HTTP/2 where TLS negotiates it. Nothing is logged; credentials are in no text that
 * comes out of here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct http_streams; /* opaque: the streams of one loop, with their connections */
struct http_stream;  /* opaque: a request under way */
struct loop;

/* Returns 0 or -errno. Borrows the loop, which must outlive it. */
int http_streams_new(struct loop *loop, struct http_streams **ret);

/* Cancels what is under way, without callbacks. NULL is allowed. */
void http_streams_free(struct http_streams *streams);

/* Of each pair the text (PEM) counts if it is set, else the file. NULL: none. */
struct http_tls {
	const char *ca_file, *ca_text; /* neither: those of the system */
	const char *cert_file, *cert_text;
	const char *key_file, *key_text;
	const char *server_name; /* expected in the certificate; NULL: the host of the URL */
	bool insecure;           /* takes any certificate */
};

struct http_stream_end {
	/*
	 * 0: the answer is complete, see status. Else -errno: -ECONNREFUSED (and other errors of
	 * connect()), -ECONNRESET (cut), -ETIMEDOUT (of connecting), -EADDRNOTAVAIL (the name of
	 * the host was not resolved), -EACCES (TLS: one side does not trust the other), -EPROTO,
	 * -EIO.
	 */
	int error;
	int status;               /* 200 …, 0: none came */
	unsigned int retry_after; /* seconds, 0: not said */
	const char *detail;       /* a few words for people, borrowed for the call */
};

struct http_stream_get {
	const char *url;
	const char *user_agent;
	const char *token;   /* sent as a bearer token; NULL: none */
	const char *address; /* connect to this one, not to what the host resolves to; or NULL */
	struct http_tls tls;
	bool fresh; /* not on a connection that is there already */
	/*
	 * Called from inside of libcurl, so they may only take note: the stream must be neither
	 * cancelled nor another one started. `head`: the answer begins, with this status, from this
	 * address (borrowed for the call).
	 */
	void (*head)(void *arg, int status, const char *peer);
	void (*data)(void *arg, const char *bytes, size_t size);
	/* Called once, from the loop; not after http_stream_cancel(). The stream is gone then. */
	void (*done)(void *arg, const struct http_stream_end *end);
	void *arg;
};

/*
 * Starts a request; nothing is called from inside. What *get points to is copied. There is a limit
 * on connecting only (10 s): whoever waits for an answer cancels it when it takes too long. A peer
 * that no longer acknowledges ends it within a minute. Redirects are not followed; proxy settings
 * and credentials of the environment are not used. Returns 0 or -errno.
 */
int http_stream_open(struct http_streams *streams, const struct http_stream_get *get,
		     struct http_stream **ret);

/* Ends a stream without a callback. NULL is allowed. Not after `done` was called. */
void http_stream_cancel(struct http_stream *stream);

/* SPDX-License-Identifier: Apache-2.0 */
/* A small HTTP server on the loop, by libmicrohttpd: GET and HEAD, whole answers from memory. */
#pragma once

#include <stddef.h>

struct http_server; /* opaque */
struct loop;

enum { HTTP_REPLY_HEADERS = 2 };

struct http_header {
	const char *name; /* static; NULL: not used */
	char value[32];
};

struct http_reply {
	int status;
	const char *content_type;                       /* static */
	struct http_header headers[HTTP_REPLY_HEADERS]; /* more of them */
	char *body; /* taken: freed by the server; NULL for none */
	size_t size;
};

/* Fills *reply for a path without its query. Called on the loop's thread. */
typedef void http_server_fn(void *arg, const char *path, struct http_reply *reply);

/*
 * Listens on "ADDR:PORT" ("127.0.0.1:9080", "[::1]:9080"; port 0: any). At most 256 connections
 * at once, each closed after 2 s without progress: some that say nothing must not make the kubelet's
 * probes wait. Returns 0, -EINVAL for an address that does not
 * parse, -EADDRINUSE, -errno.
 */
int http_server_new(struct loop *loop, const char *address, http_server_fn *fn, void *arg,
		    struct http_server **ret);
void http_server_free(struct http_server *server);

/* From now on every method is answered as GET is, and bodies are ignored. */
void http_server_answer_all(struct http_server *server);

/* The port it listens on. */
unsigned int http_server_port(const struct http_server *server);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bytes `framed` answers with, and in which pieces. Pure: the same request gives the same bytes
 * on every pod.
 */
#ifndef TESTS_FRAMED_RESPONSE_H
#define TESTS_FRAMED_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

/* A request, whole. Strings are NUL-terminated and belong to the caller. */
struct request {
	char method[16];
	char path[512];
	const char *bytes; /* head and body as they came */
	size_t size;
	bool http10;
	bool keep_alive; /* what HTTP/1.0 and 1.1 say about this request */
};

struct response {
	char *bytes; /* to be freed by the caller */
	size_t size;
	size_t piece;          /* bytes per write */
	unsigned int pause_us; /* between two writes */
	size_t cut;            /* end the connection after that many bytes; SIZE_MAX: do not */
	bool cut_reset;        /* with an RST instead of a FIN */
	bool close;            /* end the connection after the last byte */
};

/*
 * Answers /KIND/SIZE?OPTION&OPTION…, SIZE being that of the body. response.c has the list of kinds.
 * Options: status=N, seed=N (another body), piece=N, pause=US, cut=N, reset. What is not understood
 * is answered with 400. 0 or -ENOMEM.
 */
int response_make(const struct request *request, struct response *ret_response);

/* A whole response with that status and a short body. 0 or -ENOMEM. */
int response_make_status(unsigned int status, const struct request *request,
			 struct response *ret_response);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one answer of HTTP/1.x off a connection. */
#ifndef TESTS_HTTPC_ANSWER_H
#define TESTS_HTTPC_ANSWER_H

#include "io.h"

#include <stdbool.h>

struct answer {
	unsigned int status;
	bool close; /* the connection is at its end */
};

/*
 * Receives one answer and drops its body, which has a Content-Length or ends with the connection.
 * Returns NULL if it is whole, else what is wrong with it: "empty", "short", "malformed", or the name
 * of an error.
 */
const char *answer_receive(struct io *io, int fd, struct answer *ret_answer);

#endif

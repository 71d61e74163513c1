/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_HTTPC_RAW_H
#define TESTS_HTTPC_RAW_H

#include "io.h"

struct raw_options {
	size_t piece;          /* bytes per send */
	unsigned int pause_ms; /* between two sends */
};

/*
 * Sends stdin, and writes what comes to stdout until the connection ends, or nothing has come for as
 * long as the time limit of `io`. Returns a text, how it ended: "eof", "open", or "ECONNRESET" and
 * other names of errors, those of connect() and send() with "@connect" and "@send".
 */
const char *raw_exchange(struct io *io, const struct sockaddr *address, socklen_t size,
			 const struct raw_options *options);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_HTTPC_LOAD_H
#define TESTS_HTTPC_LOAD_H

#include "io.h"

#include <stdbool.h>

struct load_options {
	const struct io_style *style;
	const struct sockaddr *address;
	socklen_t address_size;
	const char *method, *path, *body;
	unsigned int concurrency, requests;
	int timeout_ms; /* of each call */
	bool keep_alive;
};

/*
 * Sends the requests over as many connections at once, each in a thread of its own, and prints
 *
 *   requests=N failed=N first=TEXT
 *
 * where TEXT is how the first failed one failed. A request has failed unless its answer is 200 and
 * whole. Nothing is sent again, not even on a kept-alive connection that was closed in the meantime.
 *
 * Returns the number of failed requests, or -errno.
 */
int load_run(const struct load_options *options);

#endif

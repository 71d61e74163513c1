/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_HTTPC_LOAD_H
#define TESTS_HTTPC_LOAD_H

#include "io.h"

#include <stdbool.h>
#include <stdio.h>

struct load_options {
	const struct io_style *style;
	const struct sockaddr *address;
	socklen_t address_size;
	const char *method, *path, *body;
	unsigned int concurrency, requests;
	unsigned int rate; /* requests per second of all connections; 0: as fast as it goes */
	int timeout_ms;    /* of each call */
	bool keep_alive;
	FILE *records; /* NULL, or where each request becomes a line, see below */
};

/*
 * Sends the requests over as many connections at once, each in a thread of its own, and prints
 *
 *   requests=N failed=N p50_us=N p99_us=N max_us=N rate=N first=TEXT
 *
 * where the latencies are those of all requests, from before connect() to the last byte, and TEXT is
 * how the first failed one failed. A request has failed unless its answer is 200 and whole. Nothing is
 * sent again, not even on a kept-alive connection that was closed in the meantime. With a rate, latency
 * counts from when the request was due. A line of `records` is "START LATENCY RESULT": microseconds
 * since the epoch, microseconds, and "ok" or how it failed.
 *
 * Returns the number of failed requests, or -errno.
 */
int load_run(const struct load_options *options);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on the loop: starts transfers and tells when one has ended. What is
 * transferred is the business of who embeds struct transfer. Only for net/: the only header that
 * shows libcurl's types.
 */
#pragma once

#include <curl/curl.h>

struct loop;
struct transfers; /* opaque: all transfers of one loop, with their connections */

struct transfer {
	/* Called once, from the loop, with the handle still there to be asked. Ends the transfer. */
	void (*done)(struct transfer *transfer, CURLcode code);
	/* Set options on it between transfer_init() and transfer_start(). */
	CURL *easy;
	/* private */
	struct transfers *owner;
	struct transfer *next, **link;
};

/* Returns 0 or -errno. Borrows the loop. */
int transfers_new(struct loop *loop, struct transfers **ret);

/* All transfers must have been ended. NULL is allowed. */
void transfers_free(struct transfers *transfers);

/* The first of the transfers that were started, NULL if there is none. */
struct transfer *transfers_first(const struct transfers *transfers);

/*
 * Takes a handle with the options that all transfers share; transfer->done was set by the caller.
 * Returns 0 or -ENOMEM.
 */
int transfer_init(struct transfers *transfers, struct transfer *transfer);

/* Starts it; nothing is called from inside. Returns 0 or -errno, then it has ended. */
int transfer_start(struct transfer *transfer);

/* Starts it once more, from `done`; options may have been changed. Returns 0 or -errno. */
int transfer_again(struct transfer *transfer);

/* Stops it, if it runs, and gives the handle back. Not from a callback of libcurl. */
void transfer_end(struct transfer *transfer);

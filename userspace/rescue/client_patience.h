/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a client is waited for that does not take its answer. One that says nothing is gone. One that
 * acknowledges what it gets, but has a closed window, is slow; as long as it takes a byte now and then
 * it may be as slow as it likes. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct client_patience {
	uint64_t heard; /* when it last said something */
	uint64_t moved; /* when it last took something, or there was nothing to take */
};

struct client_patience client_patience_from(uint64_t now);

/* Whether it is to be given up. */
bool client_patience_ends(const struct client_patience *patience, uint64_t now);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another backend of a frontend, for a request that has failed on some: the same order of
 * preference as in the kernel (bpf/choose.bpf.h), over all of its slots. Pure.
 */
#pragma once

#include "swerve_abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dp_pick {
	const struct sw_frontend *frontend;
	const struct sw_slot *slots;       /* all of sw_slots */
	const struct sw_backend *backends; /* all of sw_backends */
	const uint32_t *tried;             /* indices into sw_backends not to be picked */
	size_t tried_count;
	uint64_t now;
	uint32_t random; /* where to begin among equally good ones */
};

/* Returns an index into sw_backends, 0 if there is none left. */
uint32_t dp_pick(const struct dp_pick *pick);

/*
 * Whether a backend is of the best rank, so that new connections go to it, and was not found to be otherwise since
 * `since`. What is in `tried` does not matter.
 */
bool dp_pick_has_been_usable(const struct dp_pick *pick, uint32_t backend, uint64_t since);

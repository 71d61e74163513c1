/* SPDX-License-Identifier: Apache-2.0 */
/* The last verdicts of one backend, for people: equal ones in a row are one event. Pure. */
#pragma once

#include "health/health_fsm.h"

#include <stddef.h>
#include <stdint.h>

enum { HISTORY_LEN = 6, HISTORY_DETAIL_SIZE = 40 };

struct health_event {
	uint64_t last; /* when the last one of them came, ns */
	uint32_t count;
	enum health_verdict verdict;
	char detail[HISTORY_DETAIL_SIZE]; /* may be cut */
};

/* Zeroed: empty. */
struct health_history {
	/* private */
	struct health_event events[HISTORY_LEN];
	size_t added; /* events, ever */
};

void health_history_add(struct health_history *history, enum health_verdict verdict,
			const char *detail, uint64_t now);

/* The newest is 0. Borrowed; NULL if there is none so old, or no history (NULL is allowed). */
const struct health_event *health_history_get(const struct health_history *history, size_t age);

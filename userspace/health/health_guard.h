/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether ambiguous evidence (time-outs, resets) may take a backend out. One that refuses connections
 * or answers with errors speaks for itself; silence may as well be the network's, or ours. Pure: the
 * caller shows what it sees of the other backends, the guard judges.
 */
#pragma once

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One backend that is probed and in demand. */
struct guard_witness {
	uint64_t node; /* a number for the node that it is on; 0: not known */
	const struct addr *addr;
	uint64_t
		silent_since; /* the first of its ambiguous failures in a row; 0: the last probe was none */
	bool succeeds; /* the last probe did */
};

/* The ready endpoints of its service port. */
struct guard_pool {
	size_t ready;
	size_t usable; /* of them, without the one in question */
	size_t silent; /* of them are down already because they do not answer */
};

enum guard_verdict {
	GUARD_FALL,    /* take it out */
	GUARD_LAST,    /* no other endpoint is usable */
	GUARD_HALF,    /* half of the endpoints are out for silence already */
	GUARD_SELF,    /* too much fell silent at once, on too many nodes: it may be us */
	GUARD_TRAFFIC, /* applications have answers from it; the caller's to see */
	GUARD_VERDICT_COUNT
};

/* For people: why it is not taken out. "" for GUARD_FALL. */
const char *guard_verdict_to_str(enum guard_verdict verdict);

struct health_guard {
	/* private */
	struct guard_witness subject;
	size_t probed;
	size_t together;   /* fell silent at the same time as the subject, itself included */
	uint64_t nodes[3]; /* of those */
	size_t nodes_len;
	bool node_lives;          /* another one on its node succeeds */
	bool node_silent;         /* another address on its node is silent, too */
	bool other_node_succeeds; /* one elsewhere succeeds */
};

/* Begins with the one in question, which is silent. Borrows its address until the judgement. */
void health_guard_begin(struct health_guard *guard, const struct guard_witness *subject);

/* Shows another one. */
void health_guard_add(struct health_guard *guard, const struct guard_witness *witness);

/*
 * Judges. More than 30 % of all falling silent within a second of each other, on three nodes or more,
 * is believed after 10 s. Half of the pool may be out for silence, and more only when all of a node is
 * silent and others are not, which is what a node that is gone looks like.
 */
enum guard_verdict health_guard_judge(const struct health_guard *guard,
				      const struct guard_pool *pool, uint64_t now);

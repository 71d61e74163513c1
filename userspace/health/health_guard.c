/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_guard.h"

#include "base/cleanup.h"
#include "base/duration.h"

#define TOGETHER     (1 * NSEC_PER_SEC)
#define BELIEVE_TIME (10 * NSEC_PER_SEC)

enum { MASS_PERCENT = 30 };

static const char *const verdict_str[] = {
	[GUARD_FALL] = "",
	[GUARD_LAST] = "no other endpoint is usable",
	[GUARD_HALF] = "half of the endpoints are out already",
	[GUARD_TRAFFIC] = "applications get answers from it",
	[GUARD_SELF] = "many nodes are silent at once, it may be this one",
};
_Static_assert(ARRAY_SIZE(verdict_str) == GUARD_VERDICT_COUNT, "words for every verdict");

const char *guard_verdict_to_str(enum guard_verdict verdict)
{
	return verdict_str[verdict];
}

static void add_node(struct health_guard *guard, uint64_t node)
{
	for (size_t i = 0; i < guard->nodes_len; i++) {
		if (guard->nodes[i] == node)
			return;
	}
	if (guard->nodes_len < ARRAY_SIZE(guard->nodes))
		guard->nodes[guard->nodes_len++] = node;
}

void health_guard_begin(struct health_guard *guard, const struct guard_witness *subject)
{
	*guard = (struct health_guard){.subject = *subject, .probed = 1, .together = 1};
	add_node(guard, subject->node);
}

static bool fell_together(uint64_t a, uint64_t b)
{
	return (a < b ? b - a : a - b) < TOGETHER;
}

void health_guard_add(struct health_guard *guard, const struct guard_witness *witness)
{
	const struct guard_witness *subject = &guard->subject;
	bool same_node = subject->node && witness->node == subject->node;

	guard->probed++;
	if (witness->silent_since && fell_together(witness->silent_since, subject->silent_since)) {
		guard->together++;
		add_node(guard, witness->node);
	}
	if (same_node && witness->succeeds)
		guard->node_lives = true;
	if (same_node && witness->silent_since && !addr_equal(witness->addr, subject->addr))
		guard->node_silent = true;
	if (!same_node && witness->succeeds)
		guard->other_node_succeeds = true;
}

static bool is_mass(const struct health_guard *guard, uint64_t now)
{
	return guard->nodes_len == ARRAY_SIZE(guard->nodes) &&
	       guard->together * 100 > guard->probed * MASS_PERCENT &&
	       now - guard->subject.silent_since < BELIEVE_TIME;
}

static bool is_node_gone(const struct health_guard *guard)
{
	return guard->node_silent && !guard->node_lives && guard->other_node_succeeds;
}

enum guard_verdict health_guard_judge(const struct health_guard *guard,
				      const struct guard_pool *pool, uint64_t now)
{
	size_t may = pool->ready > 3 ? pool->ready / 2 : 1;

	if (!pool->usable)
		return GUARD_LAST;
	if (is_mass(guard, now))
		return GUARD_SELF;
	if (pool->silent >= may && !is_node_gone(guard))
		return GUARD_HALF;
	return GUARD_FALL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every endpoint that offers the port is a candidate, whatever its conditions. Sorting brings equal
 * addresses together with the one that counts first; only later are conditions and node looked at,
 * so that an entry that loses does not come back in through another part.
 */
#include "model/candidates.h"

#include "base/cleanup.h"
#include "model/endpoint.h"
#include "model/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void candidates_done(struct candidates *candidates)
{
	vec_done(&candidates->list);
}

static int collect_subset(const struct endpoint_subset *subset, const struct service_port *port,
			  bool v4, struct candidates *candidates)
{
	vec_foreach(&subset->ports, offered) {
		if (offered->proto != port->proto || strcmp(offered->name, port->name) != 0)
			continue;
		vec_foreach(&subset->endpoints, endpoint) {
			struct candidate candidate = {endpoint, offered->port,
						      candidates->list.len};

			if (addr_is_v4(&endpoint->addr) != v4)
				continue;
			if (vec_push(&candidates->list, candidate) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static int candidate_compare_address(const struct candidate *a, const struct candidate *b)
{
	int r = memcmp(&a->endpoint->addr, &b->endpoint->addr, sizeof(a->endpoint->addr));

	return r ? r : a->port - b->port;
}

/*
 * Which of two entries for the same address and port counts: the one that is not terminating, as
 * its address was given to a new pod; else the one that can do more.
 */
static int candidate_rank(const struct candidate *candidate)
{
	const struct endpoint *endpoint = candidate->endpoint;

	return (endpoint->terminating ? 4 : 0) + (endpoint->ready ? 0 : 2) +
	       (endpoint->serving ? 0 : 1);
}

static int candidate_compare(const void *left, const void *right)
{
	const struct candidate *a = left;
	const struct candidate *b = right;
	int r = candidate_compare_address(a, b);

	if (r == 0)
		r = candidate_rank(a) - candidate_rank(b);
	if (r == 0)
		r = a->order < b->order ? -1 : 1;
	return r;
}

static void candidates_sort_unique(struct candidates *candidates)
{
	struct candidate *items = candidates->list.items;
	size_t kept = 0;

	if (candidates->list.len == 0)
		return;
	qsort(items, candidates->list.len, sizeof(*items), candidate_compare);
	for (size_t i = 1; i < candidates->list.len; i++) {
		if (candidate_compare_address(&items[kept], &items[i]) != 0)
			items[++kept] = items[i];
	}
	candidates->list.len = kept + 1;
}

int candidates_collect(const struct endpoint_group *const *groups, size_t groups_len,
		       const struct service_port *port, bool v4, struct candidates *ret)
{
	_cleanup_(candidates_done) struct candidates candidates = {};

	for (size_t i = 0; i < groups_len; i++) {
		vec_foreach(&groups[i]->subsets, subset) {
			if (collect_subset(subset, port, v4, &candidates) < 0)
				return -ENOMEM;
		}
	}
	candidates_sort_unique(&candidates);
	*ret = candidates;
	candidates = (struct candidates){};
	return 0;
}

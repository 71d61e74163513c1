/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is in demand: members are grouped by the moment when the service that they belong to was last
 * used, a number that somebody else (the kernel) writes. Pure: the clock is an argument.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct health_demand; /* opaque */
struct demand_group;  /* opaque */

/* Embedded by whoever is to be in demand or not; zeroed before it joins. */
struct demand_member {
	struct demand_group *group; /* NULL: always in demand */
	TAILQ_ENTRY(demand_member) link;
};

/* A service is in demand for `ttl` (ns) after each use; 0: always. Returns 0 or -ENOMEM. */
int health_demand_new(uint64_t ttl, struct health_demand **ret);

/* All members must have left. NULL is allowed. */
void health_demand_free(struct health_demand *demand);

/*
 * Puts a member in the group of `last_used` (ns of the clock that `now` is of; 0: never), which is
 * borrowed while the group has members. NULL: always in demand. Returns 0 or -ENOMEM.
 */
int health_demand_join(struct health_demand *demand, struct demand_member *member,
		       const uint64_t *last_used, uint64_t now);

/* Idempotent. */
void health_demand_leave(struct health_demand *demand, struct demand_member *member);

/* As of the last scan, or of when its group was made. */
bool health_demand_has(const struct demand_member *member);

typedef void demand_wake_fn(void *arg, struct demand_member *member);

/* Looks at all groups; calls `fn`, which may not join or leave, for each member now in demand. */
void health_demand_scan(struct health_demand *demand, uint64_t now, demand_wake_fn *fn, void *arg);

size_t health_demand_groups(const struct health_demand *demand);

/* How many members are not in demand. */
size_t health_demand_idle(const struct health_demand *demand);

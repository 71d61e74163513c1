/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants.
 *  - A group has at least one member. places[group->place].group == group.
 *  - `idle` is the sum of the members of all groups that are not in demand.
 *
 * The scan runs many times a second over all services of a cluster, so what it reads is packed in
 * one array; nearly every group is as it was, and its struct is not touched.
 */
#include "health/health_demand.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/vec.h"

struct demand_group {
	const uint64_t *last_used;
	size_t place;
	size_t len;
	bool wanted;
	TAILQ_HEAD(, demand_member) members;
};

struct demand_place {
	const uint64_t *last_used;
	struct demand_group *group;
	bool wanted; /* group->wanted */
};

struct health_demand {
	uint64_t ttl;
	size_t idle;
	struct hashmap *groups; /* by the pointer last_used; owns the values */
	VEC(struct demand_place) places;
};

static void cleanup_demand(struct health_demand **demand)
{
	health_demand_free(*demand);
}

int health_demand_new(uint64_t ttl, struct health_demand **ret)
{
	_cleanup_(cleanup_demand) struct health_demand *demand = calloc(1, sizeof(*demand));

	if (!demand || hashmap_new(&demand->groups) < 0)
		return -ENOMEM;
	demand->ttl = ttl;
	*ret = TAKE_PTR(demand);
	return 0;
}

void health_demand_free(struct health_demand *demand)
{
	if (!demand)
		return;
	hashmap_free(demand->groups);
	vec_done(&demand->places);
	free(demand);
}

/* The kernel may have written a moment later than `now`. */
static bool is_wanted(const struct health_demand *demand, const uint64_t *last_used, uint64_t now)
{
	uint64_t last = __atomic_load_n(last_used, __ATOMIC_RELAXED);

	return last && last + demand->ttl > now;
}

static struct demand_group *group_new(struct health_demand *demand, const uint64_t *last_used,
				      uint64_t now)
{
	_cleanup_free_ struct demand_group *group = calloc(1, sizeof(*group));

	if (!group)
		return NULL;
	group->last_used = last_used;
	group->wanted = is_wanted(demand, last_used, now);
	group->place = demand->places.len;
	TAILQ_INIT(&group->members);
	if (vec_push(&demand->places, (struct demand_place){last_used, group, group->wanted}))
		return NULL;
	if (hashmap_put(demand->groups, &last_used, sizeof(last_used), group)) {
		demand->places.len--;
		return NULL;
	}
	return TAKE_PTR(group);
}

static void group_free(struct health_demand *demand, struct demand_group *group)
{
	struct demand_place *last = &demand->places.items[--demand->places.len];

	last->group->place = group->place;
	demand->places.items[group->place] = *last;
	hashmap_remove(demand->groups, &group->last_used, sizeof(group->last_used));
	free(group);
}

int health_demand_join(struct health_demand *demand, struct demand_member *member,
		       const uint64_t *last_used, uint64_t now)
{
	struct demand_group *group;

	if (!last_used || !demand->ttl)
		return 0;
	group = hashmap_get(demand->groups, &last_used, sizeof(last_used));
	if (!group)
		group = group_new(demand, last_used, now);
	if (!group)
		return -ENOMEM;
	member->group = group;
	group->len++;
	demand->idle += !group->wanted;
	TAILQ_INSERT_TAIL(&group->members, member, link);
	return 0;
}

void health_demand_leave(struct health_demand *demand, struct demand_member *member)
{
	struct demand_group *group = TAKE_PTR(member->group);

	if (!group)
		return;
	TAILQ_REMOVE(&group->members, member, link);
	demand->idle -= !group->wanted;
	if (!--group->len)
		group_free(demand, group);
}

bool health_demand_has(const struct demand_member *member)
{
	return !member->group || member->group->wanted;
}

static void group_change(struct health_demand *demand, struct demand_place *place,
			 demand_wake_fn *fn, void *arg)
{
	struct demand_group *group = place->group;
	struct demand_member *member;

	group->wanted = place->wanted = !place->wanted;
	if (!group->wanted) {
		demand->idle += group->len;
		return;
	}
	demand->idle -= group->len;
	TAILQ_FOREACH(member, &group->members, link)
	fn(arg, member);
}

void health_demand_scan(struct health_demand *demand, uint64_t now, demand_wake_fn *fn, void *arg)
{
	vec_foreach(&demand->places, place) {
		if (is_wanted(demand, place->last_used, now) != place->wanted)
			group_change(demand, place, fn, arg);
	}
}

size_t health_demand_groups(const struct health_demand *demand)
{
	return demand->places.len;
}

size_t health_demand_idle(const struct health_demand *demand)
{
	return demand->idle;
}

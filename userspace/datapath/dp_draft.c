/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_draft.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "datapath/dp_encode.h"

#include <errno.h>
#include <string.h>

enum {
	SPARE_SLOTS = 16,
	/*
	 * A frontend for each NodePort of each other node may be many times what all else needs: the
	 * last eighth of the map is not for them.
	 */
	OTHER_NODES_MAX = SW_MAX_FRONTENDS - SW_MAX_FRONTENDS / 8,
};

/* FNV-1a: tells pods apart that had the same address one after the other. */
static uint64_t hash_uid(const char *uid)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	if (!uid || !*uid)
		return 0;
	for (; *uid; uid++)
		hash = (hash ^ (uint8_t)*uid) * 0x100000001b3ULL;
	return hash ? hash : 1;
}

static int compare_backends(const void *a, const void *b)
{
	const struct dp_backend *x = *(struct dp_backend *const *)a;
	const struct dp_backend *y = *(struct dp_backend *const *)b;
	int order = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));

	return order ? order : (x->port > y->port) - (x->port < y->port);
}

/* The installed backends in an order that can be searched. NULL if there are none or no memory. */
static struct dp_backend **sort_backends(const struct dp_port *port)
{
	struct dp_backend **sorted = calloc(port->backends.len + 1, sizeof(struct dp_backend *));

	if (!sorted)
		return NULL;
	for (size_t i = 0; i < port->backends.len; i++)
		sorted[i] = &port->backends.items[i];
	qsort(sorted, port->backends.len, sizeof(struct dp_backend *), compare_backends);
	return sorted;
}

/* The backend keeps its index, and so its evidence, while it is the same pod. */
static bool same_pod(const struct dp_backend *have, uint64_t uid_hash)
{
	return !have->uid_hash || !uid_hash || have->uid_hash == uid_hash;
}

static int fill_backend(struct dp_draft *draft, struct dp_backend *const *sorted, size_t position)
{
	const struct plan_endpoint *endpoint = &draft->want->endpoints.items[position];
	struct dp_backend backend = {.addr = endpoint->addr,
				     .port = endpoint->port,
				     .terminating = position >= draft->want->ready,
				     .uid_hash = hash_uid(endpoint->uid)};
	struct dp_backend *key = &backend, *const * found;
	int err;

	found = bsearch(&key, sorted, draft->port->backends.len, sizeof(key), compare_backends);
	if (found && same_pod(*found, backend.uid_hash)) {
		(*found)->kept = true;
		backend.index = (*found)->index;
		backend.announced = (*found)->announced;
		if (!backend.uid_hash)
			backend.uid_hash = (*found)->uid_hash;
	} else {
		err = dp_ids_take(&draft->table->backends, &backend.index);
		if (err)
			return err;
		backend.fresh = true;
	}
	err = vec_push(&draft->backends, backend);
	if (err && backend.fresh)
		dp_ids_release(&draft->table->backends, backend.index);
	return err;
}

static int fill_backends(struct dp_draft *draft)
{
	_cleanup_free_ struct dp_backend **sorted = sort_backends(draft->port);
	int err = sorted ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < draft->want->endpoints.len; i++)
		err = fill_backend(draft, sorted, i);
	return err;
}

static struct dp_backend *member(const struct dp_draft *draft, const struct plan_list *want,
				 size_t i)
{
	return &draft->backends.items[want->members.items[i]];
}

static bool member_is_usable(const struct dp_draft *draft, const struct plan_list *want, size_t i)
{
	return draft->policy->usable(draft->policy->arg, member(draft, want, i)->index);
}

/*
 * How many of the ready members get slots: the preferred ones, as with kube-proxy; all of them if
 * none of the preferred ones is usable, but another one is.
 */
static size_t count_ready(const struct dp_draft *draft, const struct plan_list *want)
{
	for (size_t i = 0; i < want->ready; i++) {
		if (member_is_usable(draft, want, i))
			return i < want->preferred ? want->preferred : want->ready;
	}
	return want->preferred;
}

static int push_member(struct dp_backend *backend, struct dp_list *list)
{
	backend->listed = true;
	return vec_push(&list->backends, backend->index);
}

/* Usable ones of the ready backends first; otherwise the order stays. */
static int fill_order(const struct dp_draft *draft, const struct plan_list *want,
		      struct dp_list *list)
{
	size_t ready = count_ready(draft, want);
	int err = 0;

	for (int usable = 1; usable >= 0; usable--) {
		for (size_t i = 0; !err && i < ready; i++) {
			if (member_is_usable(draft, want, i) == (bool)usable)
				err = push_member(member(draft, want, i), list);
		}
		if (usable)
			list->usable = (uint32_t)list->backends.len;
	}
	list->ready = (uint32_t)ready;
	for (size_t i = want->ready; !err && i < want->members.len; i++)
		err = push_member(member(draft, want, i), list);
	return err;
}

/* Which frontends lead to a list, as chains of positions plus 1 in the plan's frontends; 0: no more. */
struct chains {
	uint32_t *first; /* by list */
	uint32_t *next;  /* by frontend */
};

static void chains_done(struct chains *chains)
{
	free(chains->first);
	free(chains->next);
}

static int chains_make(const struct plan_port *want, struct chains *ret)
{
	ret->first = calloc(want->lists.len + 1, sizeof(*ret->first));
	ret->next = calloc(want->frontends.len + 1, sizeof(*ret->next));
	if (!ret->first || !ret->next)
		return -ENOMEM;
	for (size_t i = want->frontends.len; i > 0; i--) {
		uint32_t *first = &ret->first[want->frontends.items[i - 1].list];

		ret->next[i - 1] = *first;
		*first = (uint32_t)i;
	}
	return 0;
}

/* What a frontend that leads to the list had before; each one serves once. */
static struct dp_list *find_old(const struct dp_draft *draft, const struct chains *chains,
				size_t position)
{
	const struct plan_port *want = draft->want;

	for (uint32_t i = chains->first[position]; i; i = chains->next[i - 1]) {
		const struct plan_frontend *frontend = &want->frontends.items[i - 1];
		struct sw_frontend_key key = dp_encode_frontend_key(frontend, want->proto);
		const struct dp_frontend *have = dp_frontends_find(&draft->port->frontends, &key);

		if (have && !draft->port->lists.items[have->list].claimed)
			return &draft->port->lists.items[have->list];
	}
	return NULL;
}

/*
 * Ranges are powers of two, so that a rolling update does not move the slots at every step; one
 * that has become far too long is given back.
 */
static int fill_slots(struct dp_draft *draft, struct dp_list *old, struct dp_list *list)
{
	uint32_t count = 1;
	int err;

	if (old && list->backends.len <= old->slots.count &&
	    list->backends.len * 4 + SPARE_SLOTS > old->slots.count) {
		list->slots = old->slots;
		return 0;
	}
	if (!list->backends.len)
		return 0;
	if (list->backends.len > SW_MAX_SLOTS)
		return -ENOSPC;
	while (count < list->backends.len)
		count *= 2;
	err = dp_ranges_take(&draft->table->slots, count, &list->slots);
	list->moved = !err;
	return err;
}

static int push_list(struct dp_draft *draft, struct dp_list *old, const struct dp_list *list)
{
	int err = vec_push(&draft->old, list->moved ? NULL : old);

	if (!err)
		err = vec_push(&draft->lists, *list);
	if (!err && old && !list->moved)
		old->claimed = true;
	return err;
}

static int fill_list(struct dp_draft *draft, const struct chains *chains, size_t position)
{
	struct dp_list *old = find_old(draft, chains, position), list = {};
	int err = fill_order(draft, &draft->want->lists.items[position], &list);

	if (!err)
		err = fill_slots(draft, old, &list);
	if (!err)
		err = push_list(draft, old, &list);
	if (!err)
		return 0;
	if (list.moved)
		dp_ranges_release(&draft->table->slots, list.slots);
	vec_done(&list.backends);
	return err;
}

static int fill_lists(struct dp_draft *draft)
{
	_cleanup_(chains_done) struct chains chains = {};
	int err = chains_make(draft->want, &chains);

	for (size_t i = 0; !err && i < draft->want->lists.len; i++)
		err = fill_list(draft, &chains, i);
	return err;
}

static bool may_take(const struct dp_draft *draft, const struct dp_port *owner,
		     const struct sw_frontend_key *key, enum plan_claim claim)
{
	const struct dp_policy *policy = draft->policy;

	return policy->may_take && policy->may_take(policy->arg, owner, key, claim);
}

static int push_frontend(struct dp_draft *draft, const struct plan_frontend *want,
			 const struct sw_frontend_key *key)
{
	const struct plan_list *plan_list = &draft->want->lists.items[want->list];
	const struct dp_list *list = &draft->lists.items[want->list];
	struct dp_frontend frontend = {.key = *key, .list = want->list};
	const struct dp_frontend *have = dp_frontends_find(&draft->port->frontends, key);
	uint32_t flags = dp_encode_clients(want->clients);

	if (plan_list->elsewhere)
		flags |= SW_FRONTEND_ELSEWHERE;
	frontend.value = dp_encode_frontend(key, draft->port->service, list, flags);
	frontend.written = have && have->written &&
			   !memcmp(&have->value, &frontend.value, sizeof(frontend.value));
	return vec_push(&draft->frontends, frontend);
}

/* One for a single other node, without which the others work. */
static bool is_dispensable(const struct sw_frontend_key *key)
{
	return key->scope == SW_SCOPE_OTHER_NODES && !dp_frontend_key_is_any(key);
}

static int fill_frontend(struct dp_draft *draft, const struct plan_frontend *want,
			 const struct sw_frontend_key *key, struct dp_changes *changes)
{
	size_t used = hashmap_len(draft->table->owners);
	struct dp_port *owner = hashmap_get(draft->table->owners, key, sizeof(*key));
	int err;

	if (owner && owner != draft->port && !may_take(draft, owner, key, want->claim)) {
		changes->conflicts++;
		changes->conflict = *key;
		return 0;
	}
	if (!owner && is_dispensable(key) && used >= OTHER_NODES_MAX) {
		changes->left_out++;
		return 0;
	}
	if (!owner && used >= SW_MAX_FRONTENDS)
		return -ENOSPC;
	err = push_frontend(draft, want, key);
	if (!err && !owner)
		err = hashmap_put(draft->table->owners, key, sizeof(*key), draft->port);
	return err;
}

struct wanted_frontend {
	struct sw_frontend_key key;
	const struct plan_frontend *frontend;
};

/* By key; of those with the same one, in the order of the plan. */
static int compare_wanted(const void *a, const void *b)
{
	const struct wanted_frontend *x = a, *y = b;
	int order = memcmp(&x->key, &y->key, sizeof(x->key));

	return order ? order : (x->frontend > y->frontend) - (x->frontend < y->frontend);
}

static struct wanted_frontend *sort_wanted(const struct plan_port *want)
{
	struct wanted_frontend *wanted = calloc(want->frontends.len + 1, sizeof(*wanted));

	for (size_t i = 0; wanted && i < want->frontends.len; i++) {
		const struct plan_frontend *frontend = &want->frontends.items[i];

		wanted[i].key = dp_encode_frontend_key(frontend, want->proto);
		wanted[i].frontend = frontend;
	}
	if (wanted)
		qsort(wanted, want->frontends.len, sizeof(*wanted), compare_wanted);
	return wanted;
}

/* In the order of their keys. Of two with the same key the first of the plan counts. */
static int fill_frontends(struct dp_draft *draft, struct dp_changes *changes)
{
	_cleanup_free_ struct wanted_frontend *wanted = sort_wanted(draft->want);
	int err = wanted ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < draft->want->frontends.len; i++) {
		const struct sw_frontend_key *key = &wanted[i].key;

		if (!i || memcmp(key, &wanted[i - 1].key, sizeof(*key)) != 0)
			err = fill_frontend(draft, wanted[i].frontend, key, changes);
	}
	return err;
}

int dp_draft_begin(struct dp_table *table, const struct plan_port *want,
		   const struct dp_policy *policy, struct dp_draft *ret)
{
	uint32_t service;
	int err;

	*ret = (struct dp_draft){.table = table, .want = want, .policy = policy};
	ret->port = dp_table_port(table, want->name);
	if (ret->port) {
		ret->port->planned = true;
		return 0;
	}
	err = dp_ids_take(&table->services, &service);
	if (err)
		return err;
	err = dp_table_add_port(table, want->name, want->proto, &ret->port);
	if (err) {
		dp_ids_release(&table->services, service);
		return err;
	}
	ret->port->service = service;
	ret->port->planned = true;
	ret->fresh_port = true;
	return 0;
}

int dp_draft_fill(struct dp_draft *draft, struct dp_changes *changes)
{
	int err = fill_backends(draft);

	if (!err)
		err = fill_lists(draft);
	if (!err)
		err = fill_frontends(draft, changes);
	return err;
}

static void undo_lists(struct dp_draft *draft)
{
	vec_foreach(&draft->lists, list) {
		if (list->moved)
			dp_ranges_release(&draft->table->slots, list->slots);
	}
	dp_lists_done(&draft->lists);
	vec_done(&draft->old);
	vec_foreach(&draft->port->lists, list)
		list->claimed = false;
}

static void undo_frontends(struct dp_draft *draft)
{
	vec_foreach(&draft->frontends, frontend) {
		const struct sw_frontend_key *key = &frontend->key;

		if (hashmap_get(draft->table->owners, key, sizeof(*key)) == draft->port &&
		    !dp_frontends_find(&draft->port->frontends, key))
			hashmap_remove(draft->table->owners, key, sizeof(*key));
	}
	vec_done(&draft->frontends);
}

void dp_draft_undo(struct dp_draft *draft)
{
	vec_foreach(&draft->backends, backend) {
		if (backend->fresh)
			dp_ids_release(&draft->table->backends, backend->index);
	}
	vec_done(&draft->backends);
	vec_foreach(&draft->port->backends, backend)
		backend->kept = false;
	undo_lists(draft);
	undo_frontends(draft);
	if (!draft->fresh_port)
		return;
	dp_ids_release(&draft->table->services, draft->port->service);
	dp_table_remove_port(draft->table, draft->port);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two phases. A draft takes everything that can run out (indices, slots, memory) and changes
 * nothing that anybody sees; committing it can not fail.
 */
#include "datapath/dp_diff.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "datapath/dp_encode.h"

#include <errno.h>
#include <string.h>

enum { SPARE_SLOTS = 16 };

struct draft {
	struct dp_table *table;
	struct dp_port *port;
	const struct plan_port *want;
	const struct dp_policy *policy;
	bool fresh_port;
	struct dp_range slots;
	bool moved; /* the slots are a new range */
	uint32_t usable;
	struct dp_backends backends;
	VEC(size_t) endpoints; /* position in the plan, parallel to backends */
	struct dp_frontends frontends;
};

void dp_changes_done(struct dp_changes *changes)
{
	vec_done(&changes->ops);
	vec_done(&changes->backends);
}

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

static int draft_backend(struct draft *draft, struct dp_backend *const *sorted, size_t position)
{
	const struct plan_endpoint *endpoint = &draft->want->endpoints.items[position];
	struct dp_backend backend = {.addr = endpoint->addr,
				     .port = endpoint->port,
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
	return err ? err : vec_push(&draft->endpoints, position);
}

static int draft_backends(struct draft *draft)
{
	_cleanup_free_ struct dp_backend **sorted = sort_backends(draft->port);
	int err = sorted ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < draft->want->endpoints.len; i++)
		err = draft_backend(draft, sorted, i);
	return err;
}

/* Moves the usable ones of the ready backends to the front; otherwise the order stays. */
static int draft_order(struct draft *draft)
{
	const struct dp_policy *policy = draft->policy;
	size_t ready = draft->want->ready, n = 0;
	_cleanup_free_ struct dp_backend *backends = calloc(ready + 1, sizeof(*backends));
	_cleanup_free_ size_t *endpoints = calloc(ready + 1, sizeof(*endpoints));

	if (ready > draft->backends.len)
		return -EINVAL;
	if (!backends || !endpoints)
		return -ENOMEM;
	for (int pass = 1; pass >= 0; pass--) {
		for (size_t i = 0; i < ready; i++) {
			if (policy->usable(policy->arg, draft->backends.items[i].index) !=
			    (bool)pass)
				continue;
			backends[n] = draft->backends.items[i];
			endpoints[n++] = draft->endpoints.items[i];
		}
		if (pass)
			draft->usable = n;
	}
	if (ready) {
		memcpy(draft->backends.items, backends, ready * sizeof(*backends));
		memcpy(draft->endpoints.items, endpoints, ready * sizeof(*endpoints));
	}
	return 0;
}

/*
 * Ranges are powers of two, so that a rolling update does not move the slots at every step; one
 * that has become far too long is given back.
 */
static int draft_slots(struct draft *draft)
{
	uint32_t count = 1;

	draft->slots = draft->port->slots;
	if (draft->backends.len <= draft->slots.count &&
	    draft->backends.len * 4 + SPARE_SLOTS > draft->slots.count)
		return 0;
	if (draft->backends.len > SW_MAX_SLOTS)
		return -ENOSPC;
	while (count < draft->backends.len)
		count *= 2;
	draft->moved = true;
	draft->slots = (struct dp_range){};
	return dp_ranges_take(&draft->table->slots, count, &draft->slots);
}

static struct sw_frontend_key frontend_key(const struct plan_frontend *frontend, uint8_t proto)
{
	return (struct sw_frontend_key){.addr = dp_sw_addr(&frontend->addr),
					.port = frontend->port,
					.proto = proto,
					.scope = SW_SCOPE_ADDRESS};
}

static const struct dp_frontend *find_frontend(const struct dp_frontend *items, size_t len,
					       const struct sw_frontend_key *key)
{
	for (size_t i = 0; i < len; i++) {
		if (!memcmp(&items[i].key, key, sizeof(*key)))
			return &items[i];
	}
	return NULL;
}

static bool may_take(const struct draft *draft, const struct dp_port *owner,
		     const struct sw_frontend_key *key)
{
	const struct dp_policy *policy = draft->policy;

	return policy->may_take && policy->may_take(policy->arg, owner, key);
}

static int draft_frontend(struct draft *draft, const struct plan_frontend *frontend,
			  struct dp_changes *changes)
{
	struct sw_frontend_key key = frontend_key(frontend, draft->want->proto);
	struct dp_port *owner = hashmap_get(draft->table->owners, &key, sizeof(key));
	int err;

	if (owner && owner != draft->port && !may_take(draft, owner, &key)) {
		changes->conflicts++;
		changes->conflict = key;
		return 0;
	}
	if (find_frontend(draft->frontends.items, draft->frontends.len, &key))
		return 0;
	if (!owner && hashmap_len(draft->table->owners) >= SW_MAX_FRONTENDS)
		return -ENOSPC;
	err = vec_push(&draft->frontends, (struct dp_frontend){.key = key});
	if (!err && !owner)
		err = hashmap_put(draft->table->owners, &key, sizeof(key), draft->port);
	return err;
}

static int draft_frontends(struct draft *draft, struct dp_changes *changes)
{
	struct sw_frontend value = {.service = draft->port->service,
				    .slot_base = draft->slots.base,
				    .usable = draft->usable,
				    .ready = (uint32_t)draft->want->ready};
	const struct dp_frontend *have;
	int err = 0;

	value.terminating = (uint32_t)draft->backends.len - value.ready;
	for (size_t i = 0; !err && i < draft->want->frontends.len; i++)
		err = draft_frontend(draft, &draft->want->frontends.items[i], changes);
	for (size_t i = 0; i < draft->frontends.len; i++) {
		struct dp_frontend *frontend = &draft->frontends.items[i];

		have = find_frontend(draft->port->frontends.items, draft->port->frontends.len,
				     &frontend->key);
		frontend->value = value;
		frontend->value.check = sw_frontend_check(&frontend->key, &value);
		frontend->written =
			have && have->written &&
			!memcmp(&have->value, &frontend->value, sizeof(frontend->value));
	}
	return err;
}

static int emit(struct dp_changes *changes, struct dp_op op)
{
	return vec_push(&changes->ops, op);
}

static struct sw_backend encode_backend(const struct draft *draft, const struct dp_backend *backend)
{
	return (struct sw_backend){.addr = dp_sw_addr(&backend->addr),
				   .port = backend->port,
				   .proto = draft->want->proto,
				   .service = draft->port->service,
				   .health = SW_HEALTH_UNKNOWN};
}

static int emit_service(const struct draft *draft, struct dp_changes *changes)
{
	struct sw_policy policy = dp_encode_policy(draft->want);
	int err = 0;

	if (draft->fresh_port)
		err = emit(changes, (struct dp_op){.kind = DP_SET_SERVICE,
						   .index = draft->port->service,
						   .name = draft->port->name});
	if (!err && memcmp(&draft->port->policy, &policy, sizeof(policy)))
		err = emit(changes, (struct dp_op){.kind = DP_SET_POLICY,
						   .index = draft->port->service,
						   .policy = policy});
	return err;
}

static int emit_backends(const struct draft *draft, struct dp_changes *changes)
{
	int err = 0;

	vec_foreach(&draft->backends, backend) {
		if (!err && backend->fresh)
			err = emit(changes,
				   (struct dp_op){.kind = DP_SET_BACKEND,
						  .index = backend->index,
						  .backend = encode_backend(draft, backend)});
	}
	return err;
}

static int emit_slots(const struct draft *draft, struct dp_changes *changes)
{
	const struct dp_port *port = draft->port;
	int err = 0;

	for (size_t i = 0; !err && i < draft->backends.len; i++) {
		uint32_t index = draft->backends.items[i].index;

		if (!draft->moved && !port->adopted && i < port->backends.len &&
		    port->backends.items[i].index == index)
			continue;
		err = emit(changes, (struct dp_op){.kind = DP_SET_SLOT,
						   .index = draft->slots.base + (uint32_t)i,
						   .slot = {.backend = index}});
	}
	return err;
}

static int emit_frontends(const struct draft *draft, struct dp_changes *changes)
{
	int err = 0;

	vec_foreach(&draft->frontends, frontend) {
		if (!err && !frontend->written)
			err = emit(changes, (struct dp_op){.kind = DP_SET_FRONTEND,
							   .frontend = {.key = frontend->key,
									.value = frontend->value}});
	}
	vec_foreach(&draft->port->frontends, frontend) {
		if (!err &&
		    !find_frontend(draft->frontends.items, draft->frontends.len, &frontend->key))
			err = emit(changes, (struct dp_op){.kind = DP_DELETE_FRONTEND,
							   .frontend = {.key = frontend->key}});
	}
	return err;
}

static int emit_changes(const struct draft *draft, struct dp_changes *changes)
{
	int err = 0;

	for (size_t i = 0; !err && i < draft->backends.len; i++) {
		const struct dp_backend *backend = &draft->backends.items[i];

		if (!backend->announced)
			err = vec_push(
				&changes->backends,
				(struct dp_backend_change){.index = backend->index,
							   .added = true,
							   .endpoint = draft->endpoints.items[i]});
	}
	vec_foreach(&draft->port->backends, backend) {
		if (!err && !backend->kept)
			err = vec_push(&changes->backends,
				       (struct dp_backend_change){.index = backend->index});
	}
	return err;
}

static int draft_make(struct draft *draft, struct dp_changes *changes)
{
	int err = draft_backends(draft);

	if (!err)
		err = draft_order(draft);
	if (!err)
		err = draft_slots(draft);
	if (!err)
		err = draft_frontends(draft, changes);
	if (!err)
		err = emit_service(draft, changes);
	if (!err)
		err = emit_backends(draft, changes);
	if (!err)
		err = emit_slots(draft, changes);
	if (!err)
		err = emit_frontends(draft, changes);
	return err ? err : emit_changes(draft, changes);
}

static struct dp_range one(uint32_t index)
{
	return (struct dp_range){.base = index, .count = 1};
}

/* A failure to note a release costs the element for good, never correctness. */
static void release_backends(const struct draft *draft, uint64_t due)
{
	vec_foreach(&draft->port->backends, backend) {
		if (!backend->kept)
			dp_table_release(draft->table, DP_BACKEND, one(backend->index), due);
	}
	vec_foreach(&draft->port->stale_backends, index)
		dp_table_release(draft->table, DP_BACKEND, one(*index), due);
	vec_foreach(&draft->port->stale_slots, range)
		dp_table_release(draft->table, DP_SLOTS, *range, due);
	if (draft->moved)
		dp_table_release(draft->table, DP_SLOTS, draft->port->slots, due);
}

static void release_frontends(const struct draft *draft)
{
	vec_foreach(&draft->port->frontends, frontend) {
		if (!find_frontend(draft->frontends.items, draft->frontends.len, &frontend->key))
			hashmap_remove(draft->table->owners, &frontend->key, sizeof(frontend->key));
	}
}

/* From now on the frontend is nobody else's to change or to delete. */
static void forget_frontend(struct dp_port *port, const struct sw_frontend_key *key)
{
	for (size_t i = 0; i < port->frontends.len; i++) {
		if (memcmp(&port->frontends.items[i].key, key, sizeof(*key)))
			continue;
		port->frontends.items[i] = port->frontends.items[--port->frontends.len];
		return;
	}
}

static void take_frontends(struct draft *draft)
{
	vec_foreach(&draft->frontends, frontend) {
		struct dp_port *owner =
			hashmap_get(draft->table->owners, &frontend->key, sizeof(frontend->key));

		if (owner == draft->port)
			continue;
		forget_frontend(owner, &frontend->key);
		/* Replacing the value of a key that is there needs no memory. */
		hashmap_put(draft->table->owners, &frontend->key, sizeof(frontend->key),
			    draft->port);
	}
}

static void draft_commit(struct draft *draft, uint64_t due)
{
	struct dp_port *port = draft->port;

	take_frontends(draft);
	release_backends(draft, due);
	release_frontends(draft);
	vec_done(&port->backends);
	vec_done(&port->frontends);
	vec_done(&port->stale_backends);
	vec_done(&port->stale_slots);
	port->adopted = false;
	port->slots = draft->slots;
	port->ready = (uint32_t)draft->want->ready;
	port->terminating = (uint32_t)draft->backends.len - port->ready;
	port->usable = draft->usable;
	port->policy = dp_encode_policy(draft->want);
	port->backends = draft->backends;
	port->frontends = draft->frontends;
	vec_foreach(&port->backends, backend)
		backend->announced = true;
	vec_foreach(&port->frontends, frontend)
		frontend->written = true;
}

static void draft_undo(struct draft *draft)
{
	vec_foreach(&draft->backends, backend) {
		if (backend->fresh)
			dp_ids_release(&draft->table->backends, backend->index);
	}
	vec_foreach(&draft->port->backends, backend)
		backend->kept = false;
	if (draft->moved)
		dp_ranges_release(&draft->table->slots, draft->slots);
	vec_foreach(&draft->frontends, frontend) {
		if (hashmap_get(draft->table->owners, &frontend->key, sizeof(frontend->key)) ==
			    draft->port &&
		    !find_frontend(draft->port->frontends.items, draft->port->frontends.len,
				   &frontend->key))
			hashmap_remove(draft->table->owners, &frontend->key, sizeof(frontend->key));
	}
	vec_done(&draft->backends);
	vec_done(&draft->frontends);
	if (!draft->fresh_port)
		return;
	dp_ids_release(&draft->table->services, draft->port->service);
	dp_table_remove_port(draft->table, draft->port);
}

static int draft_begin(struct dp_table *table, const struct plan_port *want,
		       const struct dp_policy *policy, struct draft *ret)
{
	uint32_t service;
	int err;

	*ret = (struct draft){.table = table, .want = want, .policy = policy};
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

int dp_diff_port(struct dp_table *table, const struct plan_port *want,
		 const struct dp_policy *policy, uint64_t due, struct dp_changes *changes)
{
	size_t ops = changes->ops.len, backends = changes->backends.len;
	struct draft draft;
	int err = draft_begin(table, want, policy, &draft);

	if (err)
		return err;
	err = draft_make(&draft, changes);
	if (err) {
		changes->ops.len = ops;
		changes->backends.len = backends;
		draft_undo(&draft);
	} else {
		draft_commit(&draft, due);
	}
	vec_done(&draft.endpoints);
	return err;
}

int dp_diff_remove(struct dp_table *table, struct dp_port *port, uint64_t due,
		   struct dp_changes *changes)
{
	struct plan_port nothing = {};
	struct draft draft = {.table = table, .port = port, .want = &nothing};
	size_t ops = changes->ops.len, backends = changes->backends.len;
	int err = emit_frontends(&draft, changes);

	if (!err)
		err = emit_changes(&draft, changes);
	if (err) {
		changes->ops.len = ops;
		changes->backends.len = backends;
		return err;
	}
	draft.moved = true;
	release_backends(&draft, due);
	release_frontends(&draft);
	dp_table_release(table, DP_SERVICE, one(port->service), due);
	dp_table_remove_port(table, port);
	return 0;
}

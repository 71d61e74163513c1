/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two phases. A draft (dp_draft) takes everything that can run out and changes nothing that anybody
 * sees; committing it can not fail.
 */
#include "datapath/dp_diff.h"

#include "base/hashmap.h"
#include "datapath/dp_draft.h"
#include "datapath/dp_encode.h"

#include <errno.h>
#include <string.h>

void dp_changes_done(struct dp_changes *changes)
{
	vec_done(&changes->ops);
	vec_done(&changes->backends);
}

static int emit(struct dp_changes *changes, struct dp_op op)
{
	return vec_push(&changes->ops, op);
}

static int emit_service(const struct dp_draft *draft, struct dp_changes *changes)
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

static int emit_backends(const struct dp_draft *draft, struct dp_changes *changes)
{
	int err = 0;

	vec_foreach(&draft->backends, backend) {
		struct dp_op op = {.kind = DP_SET_BACKEND, .index = backend->index};

		if (err || !backend->fresh)
			continue;
		op.backend = dp_encode_backend(backend, draft->want->proto, draft->port->service);
		op.uid_hash = backend->uid_hash;
		err = emit(changes, op);
	}
	return err;
}

/* `old` is what the slots have now; NULL: another range, or not known. */
static int emit_list(const struct dp_list *list, const struct dp_list *old,
		     struct dp_changes *changes)
{
	int err = 0;

	for (size_t i = 0; !err && i < list->backends.len; i++) {
		uint32_t backend = list->backends.items[i];

		if (old && i < old->backends.len && old->backends.items[i] == backend)
			continue;
		err = emit(changes, (struct dp_op){.kind = DP_SET_SLOT,
						   .index = list->slots.base + (uint32_t)i,
						   .slot = {.backend = backend}});
	}
	return err;
}

static int emit_slots(const struct dp_draft *draft, struct dp_changes *changes)
{
	int err = 0;

	for (size_t i = 0; !err && i < draft->lists.len; i++)
		err = emit_list(&draft->lists.items[i],
				draft->port->adopted ? NULL : draft->old.items[i], changes);
	return err;
}

static int emit_frontends(const struct dp_draft *draft, struct dp_changes *changes)
{
	int err = 0;

	vec_foreach(&draft->frontends, frontend) {
		if (!err && !frontend->written)
			err = emit(changes, (struct dp_op){.kind = DP_SET_FRONTEND,
							   .frontend = {.key = frontend->key,
									.value = frontend->value}});
	}
	vec_foreach(&draft->port->frontends, frontend) {
		if (!err && !dp_frontends_find(&draft->frontends, &frontend->key))
			err = emit(changes, (struct dp_op){.kind = DP_DELETE_FRONTEND,
							   .frontend = {.key = frontend->key}});
	}
	return err;
}

static int emit_changes(const struct dp_draft *draft, struct dp_changes *changes)
{
	int err = 0;

	for (size_t i = 0; !err && i < draft->backends.len; i++) {
		struct dp_backend_change change = {
			.index = draft->backends.items[i].index, .added = true, .endpoint = i};

		if (!draft->backends.items[i].announced)
			err = vec_push(&changes->backends, change);
	}
	vec_foreach(&draft->port->backends, backend) {
		if (!err && !backend->kept)
			err = vec_push(
				&changes->backends,
				(struct dp_backend_change){.index = backend->index,
							   .terminating = backend->terminating});
	}
	return err;
}

static int draft_make(struct dp_draft *draft, struct dp_changes *changes)
{
	int err = dp_draft_fill(draft, changes);

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
static void release_backends(const struct dp_draft *draft, uint64_t due)
{
	vec_foreach(&draft->port->backends, backend) {
		if (!backend->kept)
			dp_table_release(draft->table, DP_BACKEND, one(backend->index), due);
	}
	vec_foreach(&draft->port->lists, list) {
		if (!list->claimed)
			dp_table_release(draft->table, DP_SLOTS, list->slots, due);
	}
}

static void release_frontends(const struct dp_draft *draft)
{
	vec_foreach(&draft->port->frontends, frontend) {
		if (!dp_frontends_find(&draft->frontends, &frontend->key))
			hashmap_remove(draft->table->owners, &frontend->key, sizeof(frontend->key));
	}
}

/* From now on the frontend is nobody else's to change or to delete. */
static void forget_frontend(struct dp_port *port, const struct sw_frontend_key *key)
{
	struct dp_frontend *frontend = dp_frontends_find(&port->frontends, key);
	struct dp_frontend *end = port->frontends.items + port->frontends.len;

	if (!frontend)
		return;
	memmove(frontend, frontend + 1, (size_t)(end - frontend - 1) * sizeof(*frontend));
	port->frontends.len--;
}

static void take_frontends(struct dp_draft *draft)
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

static void draft_commit(struct dp_draft *draft, uint64_t due)
{
	struct dp_port *port = draft->port;

	take_frontends(draft);
	release_backends(draft, due);
	release_frontends(draft);
	vec_done(&port->backends);
	vec_done(&port->frontends);
	dp_lists_done(&port->lists);
	vec_done(&draft->old);
	port->adopted = false;
	port->policy = dp_encode_policy(draft->want);
	port->backends = draft->backends;
	port->lists = draft->lists;
	port->frontends = draft->frontends;
	vec_foreach(&port->backends, backend)
		backend->announced = true;
	vec_foreach(&port->lists, list)
		list->moved = false;
	vec_foreach(&port->frontends, frontend)
		frontend->written = true;
}

int dp_diff_port(struct dp_table *table, const struct plan_port *want,
		 const struct dp_policy *policy, uint64_t due, struct dp_changes *changes)
{
	size_t ops = changes->ops.len, backends = changes->backends.len;
	struct dp_draft draft;
	int err = dp_draft_begin(table, want, policy, &draft);

	if (err)
		return err;
	err = draft_make(&draft, changes);
	if (err) {
		changes->ops.len = ops;
		changes->backends.len = backends;
		dp_draft_undo(&draft);
	} else {
		draft_commit(&draft, due);
	}
	return err;
}

int dp_diff_remove(struct dp_table *table, struct dp_port *port, uint64_t due,
		   struct dp_changes *changes)
{
	struct plan_port nothing = {};
	struct dp_draft draft = {.table = table, .port = port, .want = &nothing};
	size_t ops = changes->ops.len, backends = changes->backends.len;
	int err = emit_frontends(&draft, changes);

	if (!err)
		err = emit_changes(&draft, changes);
	if (err) {
		changes->ops.len = ops;
		changes->backends.len = backends;
		return err;
	}
	release_backends(&draft, due);
	release_frontends(&draft);
	dp_table_release(table, DP_SERVICE, one(port->service), due);
	dp_table_remove_port(table, port);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One service_entry per service that anything is known of: the Service itself, its slices, its
 * Endpoints, or only that it has changed. An entry that holds none of these is freed at once. The
 * set of changed services is a list through the entries, so marking one can not fail.
 */
#include "model/model.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "model/endpoint.h"
#include "model/node.h"
#include "model/pod.h"
#include "model/retry_policy.h"
#include "model/service.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { MODEL_NAME_MAX = 253 };

/* "namespace\0name\0": a key that no characters in the names can make ambiguous. */
struct key {
	char bytes[2 * (MODEL_NAME_MAX + 1)];
	size_t size;
};

struct service_entry {
	struct service *service;             /* owned; NULL: not there */
	struct endpoint_group *endpoints;    /* owned; the Endpoints object; NULL: not there */
	VEC(struct endpoint_group *) slices; /* owned, ordered by name */
	bool changed;                        /* in the list of changed entries */
	struct service_entry *next_changed;
	const char *name; /* points into key */
	size_t key_size;
	char key[]; /* as struct key: begins with the namespace */
};

struct model {
	char *node_name;
	struct hashmap *services; /* key → struct service_entry */
	struct hashmap *slices;   /* key → struct endpoint_group, owned by the service_entry */
	struct hashmap *nodes;    /* key → struct node, owned */
	struct hashmap *pods;     /* key → struct pod, owned */
	struct service_entry *changed_head;
	struct service_entry *changed_tail;
	const struct node_ports *node_ports; /* borrowed */
	uint64_t nodes_version;
	bool node_was_there; /* this one's object */
	/* Services that are to be marked for the sake of nodes, before the next is taken. */
	bool zone_changed;  /* this node's: all of them */
	bool addrs_changed; /* a node's: those whose external policy is Local, or with ranges */
	size_t counts[OBJECT_KIND_COUNT];
	struct retry_policy retry_defaults;
};

static int key_make(const char *namespace, const char *name, struct key *ret)
{
	size_t namespace_len = strlen(namespace);
	size_t name_len = strlen(name);

	if (namespace_len > MODEL_NAME_MAX || name_len > MODEL_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(ret->bytes, namespace, namespace_len + 1);
	memcpy(ret->bytes + namespace_len + 1, name, name_len + 1);
	ret->size = namespace_len + name_len + 2;
	return 0;
}

static struct service_entry *entry_find(const struct model *model, const char *namespace,
					const char *name)
{
	struct key key;

	if (key_make(namespace, name, &key) < 0)
		return NULL;
	return hashmap_get(model->services, key.bytes, key.size);
}

/* Finds or makes the entry. */
static int entry_get(struct model *model, const char *namespace, const char *name,
		     struct service_entry **ret)
{
	_cleanup_free_ struct service_entry *entry = NULL;
	struct key key;
	int r = key_make(namespace, name, &key);

	if (r < 0)
		return r;
	*ret = hashmap_get(model->services, key.bytes, key.size);
	if (*ret)
		return 0;
	entry = calloc(1, sizeof(*entry) + key.size);
	if (!entry)
		return -ENOMEM;
	memcpy(entry->key, key.bytes, key.size);
	entry->key_size = key.size;
	entry->name = entry->key + strlen(namespace) + 1;
	r = hashmap_put(model->services, key.bytes, key.size, entry);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(entry);
	return 0;
}

static void entry_free(struct service_entry *entry)
{
	service_free(entry->service);
	endpoint_group_free(entry->endpoints);
	vec_foreach(&entry->slices, slice)
		endpoint_group_free(*slice);
	vec_done(&entry->slices);
	free(entry);
}

static void entry_free_if_unused(struct model *model, struct service_entry *entry)
{
	if (entry->service || entry->endpoints || entry->slices.len || entry->changed)
		return;
	hashmap_remove(model->services, entry->key, entry->key_size);
	entry_free(entry);
}

static void entry_mark(struct model *model, struct service_entry *entry)
{
	if (entry->changed)
		return;
	entry->changed = true;
	entry->next_changed = NULL;
	if (model->changed_tail)
		model->changed_tail->next_changed = entry;
	else
		model->changed_head = entry;
	model->changed_tail = entry;
}

/* The entry must have room for one more. */
static void entry_link_slice(struct model *model, struct service_entry *entry,
			     struct endpoint_group *slice)
{
	size_t i = entry->slices.len++;

	for (; i > 0 && strcmp(entry->slices.items[i - 1]->name, slice->name) > 0; i--)
		entry->slices.items[i] = entry->slices.items[i - 1];
	entry->slices.items[i] = slice;
	entry_mark(model, entry);
}

static void entry_unlink_slice(struct model *model, const struct endpoint_group *slice)
{
	struct service_entry *entry = entry_find(model, slice->namespace, slice->service);
	size_t i = 0;

	while (entry->slices.items[i] != slice)
		i++;
	memmove(&entry->slices.items[i], &entry->slices.items[i + 1],
		(entry->slices.len - i - 1) * sizeof(slice));
	entry->slices.len--;
	entry_mark(model, entry);
}

int model_new(const char *node_name, const struct node_ports *node_ports, struct model **ret)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return -ENOMEM;
	model->node_ports = node_ports;
	model->retry_defaults = RETRY_POLICY_DEFAULT;
	model->node_name = strdup(node_name);
	if (!model->node_name || hashmap_new(&model->services) < 0 ||
	    hashmap_new(&model->slices) < 0 || hashmap_new(&model->nodes) < 0 ||
	    hashmap_new(&model->pods) < 0) {
		model_free(model);
		return -ENOMEM;
	}
	*ret = model;
	return 0;
}

void model_free(struct model *model)
{
	if (!model)
		return;
	if (model->services) {
		hashmap_foreach(model->services, iter)
			entry_free(iter.value);
	}
	if (model->nodes) {
		hashmap_foreach(model->nodes, iter)
			node_free(iter.value);
	}
	if (model->pods) {
		hashmap_foreach(model->pods, iter)
			pod_free(iter.value);
	}
	hashmap_free(model->services);
	hashmap_free(model->slices);
	hashmap_free(model->nodes);
	hashmap_free(model->pods);
	free(model->node_name);
	free(model);
}

static int put_service(struct model *model, struct object *object)
{
	struct service *service = object->service;
	struct service_entry *entry;
	int r = entry_get(model, service->namespace, service->name, &entry);

	if (r < 0)
		return r;
	model->counts[OBJECT_SERVICE] += !entry->service;
	service_free(entry->service);
	entry->service = TAKE_PTR(object->service);
	entry_mark(model, entry);
	return 0;
}

static int put_endpoints(struct model *model, struct object *object)
{
	struct endpoint_group *group = object->endpoints;
	struct service_entry *entry;
	int r = entry_get(model, group->namespace, group->name, &entry);

	if (r < 0)
		return r;
	model->counts[OBJECT_ENDPOINTS] += !entry->endpoints;
	endpoint_group_free(entry->endpoints);
	entry->endpoints = TAKE_PTR(object->endpoints);
	entry_mark(model, entry);
	return 0;
}

/* Makes room for one more slice, so that linking it can not fail. */
static int entry_reserve_slice(struct service_entry *entry)
{
	void *room = vec_room(entry->slices.items, &entry->slices.cap, entry->slices.len,
			      sizeof(*entry->slices.items));

	if (!room)
		return -ENOMEM;
	entry->slices.items = room;
	return 0;
}

static int put_slice(struct model *model, struct object *object)
{
	struct endpoint_group *slice = object->endpoints;
	struct endpoint_group *old;
	struct service_entry *entry;
	struct key key;
	int r = key_make(slice->namespace, slice->name, &key);

	if (r < 0)
		return r;
	r = entry_get(model, slice->namespace, slice->service, &entry);
	if (r < 0)
		return r;
	old = hashmap_get(model->slices, key.bytes, key.size);
	r = entry_reserve_slice(entry);
	if (r == 0)
		r = hashmap_put(model->slices, key.bytes, key.size, slice);
	if (r < 0) {
		entry_free_if_unused(model, entry);
		return r;
	}
	if (old)
		entry_unlink_slice(model, old);
	endpoint_group_free(old);
	model->counts[OBJECT_SLICE] += !old;
	entry_link_slice(model, entry, TAKE_PTR(object->endpoints));
	return 0;
}

/* A node was put or removed: `before` or `now` is NULL then. */
static void note_node(struct model *model, const struct node *before, const struct node *now)
{
	const struct node *any = before ? before : now;
	bool own = strcmp(any->name, model->node_name) == 0;

	if (before && now && node_equal(before, now))
		return;
	model->nodes_version++;
	model->node_was_there |= own;
	if (own && strcmp(before ? before->zone : "", now ? now->zone : "") != 0)
		model->zone_changed = true;
	else
		model->addrs_changed = true;
}

/* Many nodes may have changed at once, so the services are gone through only when one is needed. */
static void mark_for_nodes(struct model *model)
{
	if (!model->zone_changed && !model->addrs_changed)
		return;
	hashmap_foreach(model->services, iter) {
		struct service_entry *entry = iter.value;

		if (!entry->service)
			continue;
		if (model->zone_changed || entry->service->external_policy == POLICY_LOCAL ||
		    entry->service->source_ranges.len)
			entry_mark(model, entry);
	}
	model->zone_changed = model->addrs_changed = false;
}

static int put_node(struct model *model, struct object *object)
{
	struct node *old;
	struct key key;
	int r = key_make("", object->node->name, &key);

	if (r < 0)
		return r;
	old = hashmap_get(model->nodes, key.bytes, key.size);
	r = hashmap_put(model->nodes, key.bytes, key.size, object->node);
	if (r < 0)
		return r;
	note_node(model, old, TAKE_PTR(object->node));
	model->counts[OBJECT_NODE] += !old;
	node_free(old);
	return 0;
}

static int put_pod(struct model *model, struct object *object)
{
	struct pod *old;
	struct key key;
	int r = key_make(object->pod->namespace, object->pod->name, &key);

	if (r < 0)
		return r;
	old = hashmap_get(model->pods, key.bytes, key.size);
	r = hashmap_put(model->pods, key.bytes, key.size, object->pod);
	if (r < 0)
		return r;
	TAKE_PTR(object->pod);
	model->counts[OBJECT_POD] += !old;
	pod_free(old);
	return 0;
}

int model_put(struct model *model, struct object *object)
{
	_cleanup_(object_done) struct object owned = *object;

	*object = (struct object){};
	switch (owned.kind) {
	case OBJECT_SERVICE:
		return put_service(model, &owned);
	case OBJECT_SLICE:
		return put_slice(model, &owned);
	case OBJECT_ENDPOINTS:
		return put_endpoints(model, &owned);
	case OBJECT_NODE:
		return put_node(model, &owned);
	case OBJECT_POD:
		return put_pod(model, &owned);
	case OBJECT_KIND_COUNT:
		break;
	}
	return -EINVAL;
}

static int remove_service(struct model *model, const struct key *key)
{
	struct service_entry *entry = hashmap_get(model->services, key->bytes, key->size);

	if (!entry || !entry->service)
		return 0;
	service_free(TAKE_PTR(entry->service));
	entry_mark(model, entry);
	return 1;
}

static int remove_endpoints(struct model *model, const struct key *key)
{
	struct service_entry *entry = hashmap_get(model->services, key->bytes, key->size);

	if (!entry || !entry->endpoints)
		return 0;
	endpoint_group_free(TAKE_PTR(entry->endpoints));
	entry_mark(model, entry);
	return 1;
}

static int remove_slice(struct model *model, const struct key *key)
{
	struct endpoint_group *slice = hashmap_remove(model->slices, key->bytes, key->size);

	if (!slice)
		return 0;
	entry_unlink_slice(model, slice);
	endpoint_group_free(slice);
	return 1;
}

static int remove_node(struct model *model, const struct key *key)
{
	struct node *node = hashmap_remove(model->nodes, key->bytes, key->size);

	if (!node)
		return 0;
	note_node(model, node, NULL);
	node_free(node);
	return 1;
}

static int remove_pod(struct model *model, const struct key *key)
{
	struct pod *pod = hashmap_remove(model->pods, key->bytes, key->size);

	pod_free(pod);
	return pod != NULL;
}

int model_remove(struct model *model, enum object_kind kind, const char *namespace,
		 const char *name)
{
	static int (*const remove_fns[])(struct model * model, const struct key *key) = {
		[OBJECT_SERVICE] = remove_service,
		[OBJECT_SLICE] = remove_slice,
		[OBJECT_ENDPOINTS] = remove_endpoints,
		[OBJECT_NODE] = remove_node,
		[OBJECT_POD] = remove_pod,
	};
	_Static_assert(ARRAY_SIZE(remove_fns) == OBJECT_KIND_COUNT, "one for every kind");
	struct key key;
	int removed;

	if (key_make(kind == OBJECT_NODE ? "" : namespace, name, &key) < 0)
		return 0;
	removed = remove_fns[kind](model, &key);
	model->counts[kind] -= (size_t)removed;
	return removed;
}

int model_next_changed(struct model *model, char **ret_namespace, char **ret_name)
{
	struct service_entry *entry;
	_cleanup_free_ char *namespace = NULL;
	_cleanup_free_ char *name = NULL;

	mark_for_nodes(model);
	entry = model->changed_head;
	if (!entry)
		return 0;
	namespace = strdup(entry->key);
	name = strdup(entry->name);
	if (!namespace || !name)
		return -ENOMEM;
	model->changed_head = entry->next_changed;
	if (!model->changed_head)
		model->changed_tail = NULL;
	entry->changed = false;
	entry_free_if_unused(model, entry);
	*ret_namespace = TAKE_PTR(namespace);
	*ret_name = TAKE_PTR(name);
	return 1;
}

size_t model_count(const struct model *model, enum object_kind kind)
{
	return model->counts[kind];
}

const char *model_node_name(const struct model *model)
{
	return model->node_name;
}

const struct node_ports *model_node_ports(const struct model *model)
{
	return model->node_ports;
}

uint64_t model_nodes_version(const struct model *model)
{
	return model->nodes_version;
}

bool model_node_is_eligible(const struct model *model)
{
	const struct node *node = model_node(model, model->node_name);

	return node ? !node->leaving : !model->node_was_there;
}

const struct node *model_node(const struct model *model, const char *name)
{
	struct key key;

	if (key_make("", name, &key) < 0)
		return NULL;
	return hashmap_get(model->nodes, key.bytes, key.size);
}

const struct hashmap *model_nodes(const struct model *model)
{
	return model->nodes;
}

void model_set_retry_defaults(struct model *model, const struct retry_policy *defaults)
{
	model->retry_defaults = *defaults;
}

const struct retry_policy *model_retry_defaults(const struct model *model)
{
	return &model->retry_defaults;
}

const struct service *model_service(const struct model *model, const char *namespace,
				    const char *name)
{
	const struct service_entry *entry = entry_find(model, namespace, name);

	return entry ? entry->service : NULL;
}

const struct pod *model_pod(const struct model *model, const char *namespace, const char *name)
{
	struct key key;

	if (key_make(namespace, name, &key) < 0)
		return NULL;
	return hashmap_get(model->pods, key.bytes, key.size);
}

size_t model_endpoints(const struct model *model, const char *namespace, const char *name,
		       const struct endpoint_group **ret_groups, size_t max)
{
	const struct service_entry *entry = entry_find(model, namespace, name);

	if (!entry)
		return 0;
	for (size_t i = 0; i < entry->slices.len && i < max; i++)
		ret_groups[i] = entry->slices.items[i];
	if (entry->slices.len)
		return entry->slices.len;
	if (entry->endpoints && max)
		ret_groups[0] = entry->endpoints;
	return entry->endpoints != NULL;
}

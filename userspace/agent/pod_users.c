/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/pod_users.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/vec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pod_users {
	struct hashmap *pods; /* target -> struct pod_entry, owned */
};

struct pod_entry {
	char *uid;
	bool asked;
	VEC(uint32_t) backends;
};

static void entry_free(struct pod_entry *entry)
{
	if (!entry)
		return;
	vec_done(&entry->backends);
	free(entry->uid);
	free(entry);
}

static void cleanup_entry(struct pod_entry **entry)
{
	entry_free(*entry);
}

int pod_users_new(struct pod_users **ret)
{
	_cleanup_free_ struct pod_users *users = calloc(1, sizeof(*users));
	int err = users ? hashmap_new(&users->pods) : -ENOMEM;

	if (!err)
		*ret = TAKE_PTR(users);
	return err;
}

void pod_users_free(struct pod_users *users)
{
	if (!users)
		return;
	hashmap_foreach(users->pods, iter)
		entry_free(iter.value);
	hashmap_free(users->pods);
	free(users);
}

static struct pod_entry *find(const struct pod_users *users, const char *target)
{
	return hashmap_get(users->pods, target, strlen(target));
}

static int add_entry(struct pod_users *users, const char *target, struct pod_entry **ret)
{
	_cleanup_(cleanup_entry) struct pod_entry *entry = calloc(1, sizeof(*entry));
	int err;

	if (!entry)
		return -ENOMEM;
	entry->uid = strdup("");
	if (!entry->uid)
		return -ENOMEM;
	err = hashmap_put(users->pods, target, strlen(target), entry);
	if (!err)
		*ret = TAKE_PTR(entry);
	return err;
}

int pod_users_add(struct pod_users *users, const char *target, const char *uid, uint32_t backend)
{
	struct pod_entry *entry = find(users, target);
	int err = entry ? 0 : add_entry(users, target, &entry);
	char *copy;

	if (err)
		return err;
	if (strcmp(entry->uid, uid) != 0) {
		copy = strdup(uid);
		if (!copy)
			return -ENOMEM;
		free(entry->uid);
		entry->uid = copy;
		entry->asked = false;
	}
	return vec_push(&entry->backends, backend);
}

bool pod_users_remove(struct pod_users *users, const char *target, uint32_t backend)
{
	struct pod_entry *entry = find(users, target);

	if (!entry)
		return false;
	for (size_t i = 0; i < entry->backends.len; i++) {
		if (entry->backends.items[i] != backend)
			continue;
		entry->backends.items[i] = entry->backends.items[--entry->backends.len];
		break;
	}
	if (entry->backends.len)
		return false;
	entry_free(hashmap_remove(users->pods, target, strlen(target)));
	return true;
}

bool pod_users_ask(struct pod_users *users, const char *target)
{
	struct pod_entry *entry = find(users, target);
	bool first = entry && !entry->asked;

	if (first)
		entry->asked = true;
	return first;
}

const uint32_t *pod_users_get(const struct pod_users *users, const char *target, size_t *ret_len)
{
	const struct pod_entry *entry = find(users, target);

	*ret_len = entry ? entry->backends.len : 0;
	return entry ? entry->backends.items : NULL;
}

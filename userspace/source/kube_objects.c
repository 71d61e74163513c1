/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys are "kind/namespace/name": names have no slash. An entry without `reported` is one that was
 * never decoded without a fatal problem; it is there to remember the problem.
 */
#include "source/kube_objects.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/vec.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* An object full of one mistake must not fill the log. */
enum { LOGGED_PROBLEMS_MAX = 10, KEY_SIZE = 1 + 2 * 254 };

struct entry {
	uint64_t digest;     /* of what was reported */
	uint64_t problems;   /* of the texts that were logged, 0: none */
	uint64_t generation; /* of the list that it was in last */
	bool reported;
	enum object_kind kind;
	const char *name; /* points into key */
	char key[];       /* "namespace\0name\0" */
};

struct kube_objects {
	struct kube_objects_config config;
	struct hashmap *entries;
	uint64_t generation;
	size_t reported;
};

/* What the decoding of one text has brought. */
struct staged {
	struct kube_objects *objects;
	struct object object;
	uint64_t digest;
	bool has_object;
	VEC(char *) problems;
	uint64_t problem_hash;
	enum object_kind kind; /* of the object with problems */
	char namespace[DECODE_NAMESPACE_SIZE];
	char name[DECODE_OBJECT_NAME_SIZE]; /* "": the problem is with none that has a name */
	bool no_memory;
};

static size_t key_make(enum object_kind kind, const char *namespace, const char *name,
		       char key[static KEY_SIZE])
{
	int len = snprintf(key, KEY_SIZE, "%c%s/%s", 'a' + (int)kind, namespace, name);

	return len < KEY_SIZE ? (size_t)len : KEY_SIZE - 1;
}

static struct entry *entry_find(const struct kube_objects *objects, enum object_kind kind,
				const char *namespace, const char *name)
{
	char key[KEY_SIZE];
	size_t len = key_make(kind, namespace, name, key);

	return hashmap_get(objects->entries, key, len);
}

/* Returns NULL if there is no memory. */
static struct entry *entry_get(struct kube_objects *objects, enum object_kind kind,
			       const char *namespace, const char *name)
{
	struct entry *entry = entry_find(objects, kind, namespace, name);
	size_t namespace_size = strlen(namespace) + 1;
	size_t name_size = strlen(name) + 1;
	char key[KEY_SIZE];
	size_t len;

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry) + namespace_size + name_size);
	if (!entry)
		return NULL;
	entry->kind = kind;
	memcpy(entry->key, namespace, namespace_size);
	memcpy(entry->key + namespace_size, name, name_size);
	entry->name = entry->key + namespace_size;
	len = key_make(kind, namespace, name, key);
	if (hashmap_put(objects->entries, key, len, entry) < 0) {
		free(entry);
		return NULL;
	}
	return entry;
}

static void entry_remove(struct kube_objects *objects, struct entry *entry)
{
	const struct source_events *events = &objects->config.events;
	char key[KEY_SIZE];
	size_t len = key_make(entry->kind, entry->key, entry->name, key);

	hashmap_remove(objects->entries, key, len);
	if (entry->reported) {
		objects->reported--;
		events->remove(events->arg, entry->kind, entry->key, entry->name);
	}
	free(entry);
}

/* Decoding into struct staged */

static void stage_object(void *arg, struct object *object, uint64_t digest)
{
	struct staged *staged = arg;

	object_done(&staged->object);
	staged->object = *object;
	staged->digest = digest;
	staged->has_object = true;
}

/* FNV-1a over all texts. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	hash = hash ? hash : 0xcbf29ce484222325;
	for (const char *c = text; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	return hash | 1;
}

static void stage_problem(void *arg, const struct decode_problem *problem)
{
	struct staged *staged = arg;
	const char *outcome = problem->fatal ? "its last good state stays, if there is one"
					     : "the rest of the object is used";
	char *text = NULL;

	staged->problem_hash = hash_text(staged->problem_hash, problem->text);
	if (problem->name) {
		staged->kind = problem->kind;
		snprintf(staged->namespace, sizeof(staged->namespace), "%s", problem->namespace);
		snprintf(staged->name, sizeof(staged->name), "%s", problem->name);
	}
	if (staged->problems.len >= LOGGED_PROBLEMS_MAX)
		return;
	if (asprintf(&text, "%s; %s", problem->text, outcome) < 0) {
		staged->no_memory = true;
	} else if (vec_push(&staged->problems, text) < 0) {
		staged->no_memory = true;
		free(text);
	}
}

static void staged_done(struct staged *staged)
{
	object_done(&staged->object);
	vec_foreach(&staged->problems, text)
		free(*text);
	vec_done(&staged->problems);
}

static struct decode_events staged_events(struct staged *staged)
{
	return (struct decode_events){.object = stage_object,
				      .problem = stage_problem,
				      .arg = staged,
				      .proxy_name = staged->objects->config.proxy_name};
}

/* Applying it */

static void log_problems(const struct staged *staged)
{
	vec_foreach(&staged->problems, text)
		log_warn("API server: %s", *text);
}

/* An object with problems, delivered or not. */
static int apply_problems(struct staged *staged)
{
	struct kube_objects *objects = staged->objects;
	struct entry *entry;

	if (!staged->problem_hash)
		return 0;
	if (!*staged->name) {
		log_problems(staged);
		return 0;
	}
	entry = entry_get(objects, staged->kind, staged->namespace, staged->name);
	if (!entry)
		return -ENOMEM;
	entry->generation = objects->generation;
	if (entry->problems != staged->problem_hash)
		log_problems(staged);
	entry->problems = staged->problem_hash;
	return 0;
}

static int apply_object(struct staged *staged)
{
	struct kube_objects *objects = staged->objects;
	const struct source_events *events = &objects->config.events;
	struct entry *entry;

	if (!staged->has_object)
		return 0;
	entry = entry_get(objects, staged->object.kind, object_namespace(&staged->object),
			  object_name(&staged->object));
	if (!entry)
		return -ENOMEM;
	entry->generation = objects->generation;
	if (!staged->problem_hash)
		entry->problems = 0;
	if (entry->reported && entry->digest == staged->digest)
		return 0;
	objects->reported += !entry->reported;
	entry->reported = true;
	entry->digest = staged->digest;
	events->put(events->arg, &staged->object);
	staged->object = (struct object){};
	return 0;
}

static int apply(struct staged *staged)
{
	int r = staged->no_memory ? -ENOMEM : apply_object(staged);

	return r < 0 ? r : apply_problems(staged);
}

static void cleanup_objects(struct kube_objects **objects)
{
	kube_objects_free(*objects);
}

int kube_objects_new(const struct kube_objects_config *config, struct kube_objects **ret)
{
	_cleanup_(cleanup_objects) struct kube_objects *objects = calloc(1, sizeof(*objects));
	int r;

	if (!objects)
		return -ENOMEM;
	objects->config = *config;
	r = hashmap_new(&objects->entries);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(objects);
	return 0;
}

void kube_objects_free(struct kube_objects *objects)
{
	if (!objects)
		return;
	if (objects->entries) {
		hashmap_foreach(objects->entries, iter)
			free(iter.value);
	}
	hashmap_free(objects->entries);
	free(objects);
}

size_t kube_objects_count(const struct kube_objects *objects)
{
	return objects->reported;
}

void kube_objects_begin_list(struct kube_objects *objects)
{
	objects->generation++;
}

int kube_objects_item(struct kube_objects *objects, enum object_kind kind, const char *text,
		      size_t size)
{
	_cleanup_(staged_done) struct staged staged = {.objects = objects};
	struct decode_events events = staged_events(&staged);
	int r = decode_as(kind, text, size, &events);

	if (r == -ENOMEM)
		return r;
	return apply(&staged);
}

void kube_objects_end_list(struct kube_objects *objects)
{
	hashmap_foreach(objects->entries, iter) {
		struct entry *entry = iter.value;

		if (entry->generation != objects->generation)
			entry_remove(objects, entry);
	}
}

int kube_objects_watch(struct kube_objects *objects, enum object_kind kind, const char *text,
		       size_t size, struct decode_watch_event *ret)
{
	_cleanup_(staged_done) struct staged staged = {.objects = objects};
	struct decode_events events = staged_events(&staged);
	int r = decode_watch_event(kind, text, size, &events, ret);
	bool is_gone = false;
	struct entry *entry;

	if (r == 0)
		r = apply(&staged);
	if (r == -EINVAL)
		log_problems(&staged);
	if (r < 0)
		return r;
	if (ret->type == DECODE_WATCH_DELETED)
		is_gone = true;
	/* Neither an object nor a problem: it has become one that is not for us. */
	else if (ret->type == DECODE_WATCH_PUT)
		is_gone = !staged.has_object && !staged.problem_hash;
	entry = is_gone ? entry_find(objects, kind, ret->namespace, ret->name) : NULL;
	if (entry)
		entry_remove(objects, entry);
	return 0;
}

void kube_objects_clear(struct kube_objects *objects)
{
	hashmap_foreach(objects->entries, iter)
		entry_remove(objects, iter.value);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has been reported is one hashmap. An entry whose generation is that of the reading that is
 * going on has been settled in it, by the file that it names; a later file can not change it.
 *
 * A file is decoded completely before anything of it is reported, so running out of memory half
 * way changes nothing.
 */
#include "source/file_objects.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/vec.h"
#include "source/decode.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A file full of one mistake must not fill the log. */
enum { LOGGED_PROBLEMS_MAX = 20, NAME_MAX_LEN = 253 };

/* Kind, "namespace\0", "name\0". */
struct key {
	char bytes[1 + 2 * (NAME_MAX_LEN + 1)];
	size_t size;
};

/* An object that has been reported. */
struct entry {
	enum object_kind kind;
	uint64_t digest;
	uint64_t generation;
	bool reported;         /* false: claimed in this reading, put() comes next */
	char *file;            /* where it came from; owned */
	const char *namespace; /* point into key */
	const char *name;
	size_t key_size;
	char key[];
};

struct file_objects {
	struct source_events events;
	struct hashmap *entries;
	uint64_t generation;
	bool whole; /* no object of the reading that is going on was broken */
};

/* An object of the file that is being read. */
struct staged {
	struct object object; /* empty: another one takes precedence */
	uint64_t digest;
	struct entry *entry;
};

/* The file that is being read. */
struct stage {
	struct file_objects *objects;
	const char *file;
	VEC(struct staged) list;
	VEC(struct entry *) broken; /* reported before, now not decodable */
	size_t problems;
	int error;
};

static int key_make(enum object_kind kind, const char *namespace, const char *name, struct key *ret)
{
	size_t namespace_len = strlen(namespace);
	size_t name_len = strlen(name);

	if (namespace_len > NAME_MAX_LEN || name_len > NAME_MAX_LEN)
		return -ENAMETOOLONG;
	ret->bytes[0] = (char)kind;
	memcpy(ret->bytes + 1, namespace, namespace_len + 1);
	memcpy(ret->bytes + 1 + namespace_len + 1, name, name_len + 1);
	ret->size = 1 + namespace_len + 1 + name_len + 1;
	return 0;
}

static void entry_free(struct entry *entry)
{
	free(entry->file);
	free(entry);
}

static struct entry *entry_find(const struct file_objects *objects, enum object_kind kind,
				const char *namespace, const char *name)
{
	struct key key;

	if (key_make(kind, namespace, name, &key) < 0)
		return NULL;
	return hashmap_get(objects->entries, key.bytes, key.size);
}

static int entry_new(struct file_objects *objects, const struct key *key, struct entry **ret)
{
	_cleanup_free_ struct entry *entry = calloc(1, sizeof(*entry) + key->size);
	int r;

	if (!entry)
		return -ENOMEM;
	entry->kind = (enum object_kind)key->bytes[0];
	memcpy(entry->key, key->bytes, key->size);
	entry->key_size = key->size;
	entry->namespace = entry->key + 1;
	entry->name = entry->namespace + strlen(entry->namespace) + 1;
	r = hashmap_put(objects->entries, key->bytes, key->size, entry);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(entry);
	return 0;
}

/* The entry of an object, made if need be. */
static int entry_get(struct file_objects *objects, const struct object *object, struct entry **ret)
{
	struct key key;
	int r = key_make(object->kind, object_namespace(object), object_name(object), &key);

	if (r < 0)
		return r;
	*ret = hashmap_get(objects->entries, key.bytes, key.size);
	return *ret ? 0 : entry_new(objects, &key, ret);
}

static void entry_remove(struct file_objects *objects, struct entry *entry)
{
	hashmap_remove(objects->entries, entry->key, entry->key_size);
	entry_free(entry);
}

/* Takes over the entry for this file and this reading. */
static int entry_claim(struct entry *entry, const char *file, uint64_t generation)
{
	if (!entry->file || strcmp(entry->file, file) != 0) {
		char *copy = strdup(file);

		if (!copy)
			return -ENOMEM;
		free(entry->file);
		entry->file = copy;
	}
	entry->generation = generation;
	return 0;
}

__attribute__((format(printf, 2, 3))) static void stage_warn(struct stage *stage,
							     const char *format, ...)
{
	char text[1280];
	va_list args;

	if (stage->problems++ >= LOGGED_PROBLEMS_MAX)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_warn("file %s: %s", stage->file, text);
}

static void stage_object(void *arg, struct object *object, uint64_t digest)
{
	struct stage *stage = arg;
	struct staged staged = {.digest = digest};

	if (stage->error == 0)
		stage->error = entry_get(stage->objects, object, &staged.entry);
	staged.object = *object;
	if (stage->error == 0)
		stage->error = vec_push(&stage->list, staged);
	if (stage->error < 0)
		object_done(object);
}

static const char *outcome(const struct decode_problem *problem)
{
	if (!problem->fatal)
		return "the rest of the object is used";
	return problem->name ? "its last good state stays, if there is one" : "not used";
}

static void stage_problem(void *arg, const struct decode_problem *problem)
{
	struct stage *stage = arg;
	struct entry *entry = NULL;

	if (problem->fatal && problem->name)
		entry = entry_find(stage->objects, problem->kind, problem->namespace,
				   problem->name);
	if (entry && stage->error == 0)
		stage->error = vec_push(&stage->broken, entry);
	if (problem->fatal && problem->kind < OBJECT_KIND_COUNT)
		stage->objects->whole = false;
	stage_warn(stage, "%s; %s", problem->text, outcome(problem));
}

static void stage_done(struct stage *stage)
{
	vec_foreach(&stage->list, staged)
		object_done(&staged->object);
	vec_done(&stage->list);
	vec_done(&stage->broken);
}

static void warn_duplicate(struct stage *stage, const struct entry *entry)
{
	const char *slash = *entry->namespace ? "/" : "";
	const char *kind = object_kind_to_str(entry->kind);

	if (strcmp(entry->file, stage->file) == 0)
		stage_warn(stage, "%s %s%s%s is there twice; the last one counts", kind,
			   entry->namespace, slash, entry->name);
	else
		stage_warn(stage, "%s %s%s%s is also in %s, which comes first and counts", kind,
			   entry->namespace, slash, entry->name, entry->file);
}

/* Settles which staged objects count: backwards, as the last one of its name in a file does. */
static int stage_claim(struct stage *stage)
{
	uint64_t generation = stage->objects->generation;

	for (size_t i = stage->list.len; i > 0; i--) {
		struct staged *staged = &stage->list.items[i - 1];

		if (staged->entry->generation == generation) {
			warn_duplicate(stage, staged->entry);
			object_done(&staged->object);
			staged->entry = NULL;
		} else if (entry_claim(staged->entry, stage->file, generation) < 0) {
			return -ENOMEM;
		}
	}
	vec_foreach(&stage->broken, entry) {
		if ((*entry)->file && strcmp((*entry)->file, stage->file) == 0)
			(*entry)->generation = generation;
	}
	return 0;
}

static void stage_report(struct stage *stage)
{
	const struct source_events *events = &stage->objects->events;

	vec_foreach(&stage->list, staged) {
		struct entry *entry = staged->entry;

		if (!entry || (entry->reported && entry->digest == staged->digest))
			continue;
		entry->reported = true;
		entry->digest = staged->digest;
		events->put(events->arg, &staged->object);
		staged->object = (struct object){};
	}
}

int file_objects_new(const struct source_events *events, struct file_objects **ret)
{
	_cleanup_free_ struct file_objects *objects = calloc(1, sizeof(*objects));
	int r;

	if (!objects)
		return -ENOMEM;
	objects->events = *events;
	r = hashmap_new(&objects->entries);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(objects);
	return 0;
}

void file_objects_free(struct file_objects *objects)
{
	if (!objects)
		return;
	hashmap_foreach(objects->entries, iter)
		entry_free(iter.value);
	hashmap_free(objects->entries);
	free(objects);
}

void file_objects_begin(struct file_objects *objects)
{
	objects->generation++;
	objects->whole = true;
}

bool file_objects_are_whole(const struct file_objects *objects)
{
	return objects->whole;
}

int file_objects_apply(struct file_objects *objects, const char *file, const char *text,
		       size_t size)
{
	_cleanup_(stage_done) struct stage stage = {.objects = objects, .file = file};
	struct decode_events events = {
		.object = stage_object, .problem = stage_problem, .arg = &stage};
	int r = decode(text, size, &events);

	if (r == 0)
		r = stage.error;
	if (r == 0)
		r = stage_claim(&stage);
	if (stage.problems > LOGGED_PROBLEMS_MAX)
		log_warn("file %s: %zu more problems", file, stage.problems - LOGGED_PROBLEMS_MAX);
	if (r == -EINVAL)
		log_error("file %s: nothing of it is used, what came from it before stays", file);
	if (r < 0) {
		file_objects_keep(objects, file);
		return r == -ENOMEM ? r : 0;
	}
	stage_report(&stage);
	return 0;
}

void file_objects_keep(struct file_objects *objects, const char *file)
{
	objects->whole = false;
	hashmap_foreach(objects->entries, iter) {
		struct entry *entry = iter.value;

		if (entry->reported && strcmp(entry->file, file) == 0)
			entry->generation = objects->generation;
	}
}

void file_objects_end(struct file_objects *objects)
{
	const struct source_events *events = &objects->events;

	hashmap_foreach(objects->entries, iter) {
		struct entry *entry = iter.value;

		if (entry->generation == objects->generation)
			continue;
		if (entry->reported)
			events->remove(events->arg, entry->kind, entry->namespace, entry->name);
		entry_remove(objects, entry);
	}
	events->synced(events->arg);
}

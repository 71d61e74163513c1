/* SPDX-License-Identifier: Apache-2.0 */
#include "source/decode.h"

#include "base/cleanup.h"
#include "source/decode_digest.h"
#include "source/decode_memory.h"
#include "source/decode_object.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KINDS "Service, EndpointSlice, Endpoints, Node, Pod"

/* Lengths as the API server enforces them; Service names also end up in map elements. */
static const struct {
	size_t name_max;
	bool namespaced;
} kind_rules[] = {
	[OBJECT_SERVICE] = {DECODE_LABEL_MAX, true},  [OBJECT_SLICE] = {DECODE_NAME_MAX, true},
	[OBJECT_ENDPOINTS] = {DECODE_NAME_MAX, true}, [OBJECT_NODE] = {DECODE_NAME_MAX, false},
	[OBJECT_POD] = {DECODE_NAME_MAX, true},
};
_Static_assert(ARRAY_SIZE(kind_rules) == OBJECT_KIND_COUNT, "one for every kind");

struct field decode_metadata(struct decode_reader *reader, const struct field *root,
			     const char *key, struct field *metadata)
{
	*metadata = field_member(reader, root, "metadata", FIELD_OBJECT, DROPS_OBJECT);
	return field_member(reader, metadata, key, FIELD_OBJECT, DROPS_OBJECT);
}

/* The first `len` bytes of text name a kind; OBJECT_KIND_COUNT if it is not known. */
static enum object_kind kind_from_str(const char *text, size_t len)
{
	for (size_t i = 0; i < OBJECT_KIND_COUNT; i++) {
		const char *name = object_kind_to_str((enum object_kind)i);

		if (strlen(name) == len && memcmp(name, text, len) == 0)
			return (enum object_kind)i;
	}
	return OBJECT_KIND_COUNT;
}

/* As in Kubernetes' tools, an object of a namespaced kind without a namespace is in "default". */
static bool read_namespace(struct decode_reader *reader, const struct field *metadata)
{
	struct field field =
		field_member(reader, metadata, "namespace", FIELD_STRING, DROPS_OBJECT);

	reader->namespace = "";
	if (!kind_rules[reader->kind].namespaced)
		return true;
	reader->namespace = field_name(reader, &field, DECODE_LABEL_MAX, DROPS_OBJECT);
	if (!reader->namespace && !reader->broken)
		reader->namespace = "default";
	return !reader->broken;
}

/* Returns false after a problem. */
static bool read_names(struct decode_reader *reader, const struct field *root)
{
	struct field metadata = field_member(reader, root, "metadata", FIELD_OBJECT, DROPS_OBJECT);
	struct field field = field_member(reader, &metadata, "name", FIELD_STRING, DROPS_OBJECT);
	const char *name;

	if (reader->broken || !read_namespace(reader, &metadata))
		return false;
	name = field_name(reader, &field, kind_rules[reader->kind].name_max, DROPS_OBJECT);
	if (!name && !reader->broken)
		field_missing(reader, &field, DROPS_OBJECT);
	reader->name = name;
	return name != NULL;
}

static int decode_content(struct decode_reader *reader, const struct field *root,
			  struct object *object)
{
	switch (reader->kind) {
	case OBJECT_SERVICE:
		return decode_service(reader, root, &object->service);
	case OBJECT_SLICE:
		return decode_slice(reader, root, &object->endpoints);
	case OBJECT_ENDPOINTS:
		return decode_endpoints(reader, root, &object->endpoints);
	case OBJECT_NODE:
		return decode_node(reader, root, &object->node);
	case OBJECT_POD:
		return decode_pod(reader, root, &object->pod);
	case OBJECT_KIND_COUNT:
		break;
	}
	return 0;
}

static bool object_is_empty(const struct object *object)
{
	switch (object->kind) {
	case OBJECT_SERVICE:
		return !object->service;
	case OBJECT_SLICE:
	case OBJECT_ENDPOINTS:
		return !object->endpoints;
	case OBJECT_NODE:
		return !object->node;
	case OBJECT_POD:
		return !object->pod;
	case OBJECT_KIND_COUNT:
		break;
	}
	return true;
}

static int decode_object(struct decode_reader *reader, const struct field *root)
{
	_cleanup_(object_done) struct object object = {.kind = reader->kind};
	int r;

	if (!read_names(reader, root))
		return 0;
	r = decode_content(reader, root, &object);
	if (r < 0 || reader->broken || object_is_empty(&object))
		return r;
	reader->events->object(reader->events->arg, &object, decode_digest_object(root->value));
	object = (struct object){};
	return 0;
}

int decode_object_as(struct decode_reader *reader, const struct field *root,
		     enum object_kind default_kind)
{
	struct field kind;

	if (!json_is_object(root->value)) {
		field_problem(reader, root, DROPS_OBJECT, "is not an object");
		return 0;
	}
	kind = field_member(reader, root, "kind", FIELD_STRING, DROPS_OBJECT);
	if (kind.wrong)
		return 0;
	reader->kind = default_kind;
	if (kind.value)
		reader->kind = kind_from_str(field_string(&kind), strlen(field_string(&kind)));
	if (reader->kind != OBJECT_KIND_COUNT)
		return decode_object(reader, root);
	if (kind.value)
		field_problem(reader, &kind, DROPS_OBJECT, "is none of " KINDS);
	else
		field_missing(reader, &kind, DROPS_OBJECT);
	return 0;
}

/* `item_kind` is what the list says its items are. */
static int decode_item(const struct decode_events *events, const struct field *items, size_t index,
		       enum object_kind item_kind)
{
	struct decode_reader reader = {
		.events = events,
		.kind = OBJECT_KIND_COUNT,
		.in_list = true,
		.position = index,
	};
	struct field root = {.value = json_array_get(items->value, index)};

	return decode_object_as(&reader, &root, item_kind);
}

static int decode_list(struct decode_reader *reader, const struct field *root,
		       enum object_kind item_kind)
{
	struct field items = field_member(reader, root, "items", FIELD_ARRAY, DROPS_OBJECT);
	size_t len = field_len(&items);

	/* Empty lists are [] or null. Without items it is something else, or cut off. */
	if (!json_object_get(root->value, "items"))
		field_missing(reader, &items, DROPS_OBJECT);
	if (reader->broken)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		int r = decode_item(reader->events, &items, i, item_kind);

		if (r < 0)
			return r;
	}
	return 0;
}

static int decode_document(const struct decode_events *events, json_t *document)
{
	static const char list[] = "List";
	const size_t list_len = sizeof(list) - 1;
	struct decode_reader reader = {.events = events, .kind = OBJECT_KIND_COUNT};
	struct field root = {.value = document};
	struct field kind;
	enum object_kind item_kind;
	const char *text;
	size_t len;

	if (!json_is_object(document)) {
		field_problem(&reader, &root, DROPS_OBJECT, "is not an object of Kubernetes");
		return -EINVAL;
	}
	kind = field_member(&reader, &root, "kind", FIELD_STRING, DROPS_OBJECT);
	text = field_string(&kind);
	if (!text) {
		if (!kind.wrong)
			field_missing(&reader, &kind, DROPS_OBJECT);
		return -EINVAL;
	}
	len = strlen(text);
	reader.kind = kind_from_str(text, len);
	if (reader.kind != OBJECT_KIND_COUNT)
		return decode_object(&reader, &root);
	if (strcmp(text, list) == 0)
		return decode_list(&reader, &root, OBJECT_KIND_COUNT);
	item_kind = OBJECT_KIND_COUNT;
	if (len > list_len && strcmp(text + len - list_len, list) == 0)
		item_kind = kind_from_str(text, len - list_len);
	if (item_kind != OBJECT_KIND_COUNT)
		return decode_list(&reader, &root, item_kind);
	field_problem(&reader, &kind, DROPS_OBJECT, "is none of " KINDS ", or a List of them");
	return 0;
}

void decode_syntax_error(const struct decode_events *events, const json_error_t *error)
{
	char text[JSON_ERROR_TEXT_LENGTH + 64];
	struct decode_problem problem = {.kind = OBJECT_KIND_COUNT, .text = text, .fatal = 1};

	snprintf(text, sizeof(text), "line %d, column %d: %s", error->line, error->column,
		 error->text);
	events->problem(events->arg, &problem);
}

int decode(const char *text, size_t size, const struct decode_events *events)
{
	_cleanup_(decode_memory_done) struct decode_memory memory = {};
	json_error_t error;
	json_t *document;
	int r = decode_memory_load(&memory, text, size, &document, &error);

	if (r == -EINVAL)
		decode_syntax_error(events, &error);
	return r < 0 ? r : decode_document(events, document);
}

int decode_as(enum object_kind kind, const char *text, size_t size,
	      const struct decode_events *events)
{
	_cleanup_(decode_memory_done) struct decode_memory memory = {};
	struct decode_reader reader = {.events = events, .kind = OBJECT_KIND_COUNT};
	struct field root = {};
	json_error_t error;
	int r = decode_memory_load(&memory, text, size, &root.value, &error);

	if (r == -EINVAL)
		decode_syntax_error(events, &error);
	return r < 0 ? r : decode_object_as(&reader, &root, kind);
}

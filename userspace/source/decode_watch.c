/* SPDX-License-Identifier: Apache-2.0 */
#include "source/decode_watch.h"

#include "base/cleanup.h"
#include "source/decode_memory.h"
#include "source/decode_object.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	enum decode_watch_type type;
} types[] = {
	{"ADDED", DECODE_WATCH_PUT},       {"MODIFIED", DECODE_WATCH_PUT},
	{"DELETED", DECODE_WATCH_DELETED}, {"BOOKMARK", DECODE_WATCH_BOOKMARK},
	{"ERROR", DECODE_WATCH_ERROR},
};

/* Copies a string. Returns false, with "" in buf, if it is absent, empty or too long. */
static bool copy_string(json_t *object, const char *key, char *buf, size_t size)
{
	json_t *value = json_object_get(object, key);
	size_t len = json_string_length(value);

	buf[0] = '\0';
	if (!json_is_string(value) || len == 0 || len >= size)
		return false;
	memcpy(buf, json_string_value(value), len + 1);
	return true;
}

/* Copies as much of it as there is room for, not ending amid a character (UTF-8). */
static void copy_cut(json_t *object, const char *key, char *buf, size_t size)
{
	const char *text = json_string_value(json_object_get(object, key));
	size_t len = text ? strnlen(text, size - 1) : 0;

	if (text && text[len]) {
		while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
			len--;
	}
	if (text)
		memcpy(buf, text, len);
	buf[len] = '\0';
}

static void read_status(json_t *root, struct decode_status *ret)
{
	json_t *metadata = json_object_get(root, "metadata");
	json_int_t code = json_integer_value(json_object_get(root, "code"));

	ret->code = code > 0 && code < 1000 ? (int)code : 0;
	copy_string(root, "reason", ret->reason, sizeof(ret->reason));
	copy_cut(root, "message", ret->message, sizeof(ret->message));
	copy_string(metadata, "continue", ret->continue_token, sizeof(ret->continue_token));
}

static bool find_type(const char *name, enum decode_watch_type *ret)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].name, name) == 0) {
			*ret = types[i].type;
			return true;
		}
	}
	return false;
}

/* Namespace and name as the decoder of objects reads them, and the version. */
static bool read_metadata(json_t *object, enum object_kind kind, struct decode_watch_event *ret)
{
	json_t *metadata = json_object_get(object, "metadata");

	copy_string(metadata, "namespace", ret->namespace, sizeof(ret->namespace));
	if (kind != OBJECT_NODE && !*ret->namespace)
		memcpy(ret->namespace, "default", sizeof("default"));
	if (!copy_string(metadata, "name", ret->name, sizeof(ret->name)) &&
	    ret->type != DECODE_WATCH_BOOKMARK)
		return false;
	return copy_string(metadata, "resourceVersion", ret->version, sizeof(ret->version));
}

static int read_event(struct decode_reader *reader, const struct field *root, enum object_kind kind,
		      struct decode_watch_event *ret)
{
	struct field type = field_member(reader, root, "type", FIELD_STRING, DROPS_OBJECT);
	struct field object = field_member(reader, root, "object", FIELD_OBJECT, DROPS_OBJECT);
	struct decode_reader inner = {.events = reader->events, .kind = OBJECT_KIND_COUNT};
	struct field inner_root = {.value = object.value};

	*ret = (struct decode_watch_event){};
	if (!find_type(field_string(&type), &ret->type)) {
		field_problem(reader, &type, DROPS_OBJECT, "is no type of an event");
		return -EINVAL;
	}
	if (ret->type == DECODE_WATCH_ERROR) {
		read_status(object.value, &ret->status);
		return 0;
	}
	if (!read_metadata(object.value, kind, ret)) {
		field_problem(reader, &object, DROPS_OBJECT, "has no name or no resourceVersion");
		return -EINVAL;
	}
	if (ret->type != DECODE_WATCH_PUT)
		return 0;
	return decode_object_as(&inner, &inner_root, kind);
}

int decode_watch_event(enum object_kind kind, const char *text, size_t size,
		       const struct decode_events *events, struct decode_watch_event *ret)
{
	_cleanup_(decode_memory_done) struct decode_memory memory = {};
	struct decode_reader reader = {.events = events, .kind = OBJECT_KIND_COUNT};
	struct field root = {};
	json_error_t error;
	int r = decode_memory_load(&memory, text, size, &root.value, &error);

	if (r == -EINVAL)
		decode_syntax_error(events, &error);
	if (r < 0)
		return r;
	if (!json_is_object(root.value)) {
		field_problem(&reader, &root, DROPS_OBJECT, "is not an event");
		return -EINVAL;
	}
	return read_event(&reader, &root, kind, ret);
}

int decode_list_head(const char *text, size_t size, struct decode_list_head *ret)
{
	_cleanup_(decode_memory_done) struct decode_memory memory = {};
	json_error_t error;
	json_t *root;
	json_t *metadata;
	json_t *token;
	int r = decode_memory_load(&memory, text, size, &root, &error);

	if (r < 0)
		return r;
	metadata = json_object_get(root, "metadata");
	token = json_object_get(metadata, "continue");
	if (!copy_string(metadata, "resourceVersion", ret->version, sizeof(ret->version)))
		return -EINVAL;
	/* Taking a token that does not fit for none would lose all the pages after this one. */
	if (!copy_string(metadata, "continue", ret->continue_token, sizeof(ret->continue_token)) &&
	    json_string_length(token) > 0)
		return -EINVAL;
	return 0;
}

int decode_status(const char *text, size_t size, struct decode_status *ret)
{
	_cleanup_(decode_memory_done) struct decode_memory memory = {};
	json_error_t error;
	json_t *root;
	const char *kind;
	int r = decode_memory_load(&memory, text, size, &root, &error);

	if (r < 0)
		return r;
	kind = json_string_value(json_object_get(root, "kind"));
	if (!kind || strcmp(kind, "Status") != 0)
		return -EINVAL;
	*ret = (struct decode_status){};
	read_status(root, ret);
	return 0;
}

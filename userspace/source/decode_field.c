/* SPDX-License-Identifier: Apache-2.0 */
#include "source/decode_field.h"

#include "base/cleanup.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is quoted from the input is cut, so that one bad value does not fill the log. */
enum { VALUE_LEN_MAX = 64, TEXT_SIZE = 1024 };

struct text {
	char bytes[TEXT_SIZE];
	size_t len;
};

__attribute__((format(printf, 2, 0))) static void text_vadd(struct text *text, const char *format,
							    va_list args)
{
	size_t room = sizeof(text->bytes) - text->len;
	int len = vsnprintf(text->bytes + text->len, room, format, args);

	if (len > 0)
		text->len += (size_t)len < room ? (size_t)len : room - 1;
}

__attribute__((format(printf, 2, 3))) static void text_add(struct text *text, const char *format,
							   ...)
{
	va_list args;

	va_start(args, format);
	text_vadd(text, format, args);
	va_end(args);
}

/* Cuts between characters, not inside one (UTF-8). */
static void text_add_cut(struct text *text, const char *string)
{
	size_t len = strlen(string);

	if (len <= VALUE_LEN_MAX) {
		text_add(text, "%s", string);
		return;
	}
	len = VALUE_LEN_MAX;
	while (len > 0 && ((unsigned char)string[len] & 0xC0) == 0x80)
		len--;
	text_add(text, "%.*s...", (int)len, string);
}

static void text_add_path(struct text *text, const struct field *field)
{
	if (!field->parent)
		return;
	text_add_path(text, field->parent);
	if (!field->key) {
		text_add(text, "[%zu]", field->index);
	} else if (strpbrk(field->key, "./")) {
		text_add(text, "[");
		text_add_cut(text, field->key);
		text_add(text, "]");
	} else {
		if (field->parent->parent)
			text_add(text, ".");
		text_add_cut(text, field->key);
	}
}

static void text_add_value(struct text *text, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		text_add(text, "an object");
		break;
	case JSON_ARRAY:
		text_add(text, "an array");
		break;
	case JSON_STRING:
		text_add(text, "\"");
		text_add_cut(text, json_string_value(value));
		text_add(text, "\"");
		break;
	case JSON_INTEGER:
		text_add(text, "%lld", (long long)json_integer_value(value));
		break;
	case JSON_REAL:
		text_add(text, "%g", json_real_value(value));
		break;
	case JSON_TRUE:
		text_add(text, "true");
		break;
	case JSON_FALSE:
		text_add(text, "false");
		break;
	case JSON_NULL:
		text_add(text, "null");
		break;
	}
}

/* "Service default/web: ", or as much of it as is known. */
static void text_add_object(struct text *text, const struct decode_reader *reader)
{
	const char *space = "";

	if (reader->kind != OBJECT_KIND_COUNT) {
		text_add(text, "%s", object_kind_to_str(reader->kind));
		space = " ";
	}
	if (reader->name)
		text_add(text, "%s%s%s%s", space, reader->namespace, *reader->namespace ? "/" : "",
			 reader->name);
	else if (reader->in_list)
		text_add(text, "%sitems[%zu]", space, reader->position);
	if (text->len)
		text_add(text, ": ");
}

void field_problem(struct decode_reader *reader, const struct field *field,
		   enum field_effect effect, const char *format, ...)
{
	struct decode_problem problem = {
		.kind = reader->kind,
		.namespace = reader->name ? reader->namespace : NULL,
		.name = reader->name,
		.fatal = effect == DROPS_OBJECT,
	};
	struct text text;
	va_list args;

	text.len = 0;
	text_add_object(&text, reader);
	text_add_path(&text, field);
	if (field->parent)
		text_add(&text, ": ");
	if (field->value) {
		text_add_value(&text, field->value);
		text_add(&text, " ");
	}
	va_start(args, format);
	text_vadd(&text, format, args);
	va_end(args);
	problem.text = text.bytes;
	if (effect == DROPS_OBJECT)
		reader->broken = true;
	reader->problems++;
	reader->events->problem(reader->events->arg, &problem);
}

static bool has_type(const json_t *value, enum field_type type)
{
	switch (type) {
	case FIELD_OBJECT:
		return json_is_object(value);
	case FIELD_ARRAY:
		return json_is_array(value);
	case FIELD_STRING:
		return json_is_string(value);
	case FIELD_INTEGER:
		return json_is_integer(value);
	case FIELD_BOOLEAN:
		return json_is_boolean(value);
	}
	return false;
}

static const char *const type_names[] = {
	[FIELD_OBJECT] = "an object", [FIELD_ARRAY] = "an array",    [FIELD_STRING] = "a string",
	[FIELD_INTEGER] = "a number", [FIELD_BOOLEAN] = "a boolean",
};

static void check_type(struct decode_reader *reader, struct field *field, enum field_type type,
		       enum field_effect effect)
{
	if (has_type(field->value, type))
		return;
	field_problem(reader, field, effect, "is not %s", type_names[type]);
	field->value = NULL;
	field->wrong = true;
}

struct field field_member(struct decode_reader *reader, const struct field *parent, const char *key,
			  enum field_type type, enum field_effect effect)
{
	struct field field = {.parent = parent, .key = key};

	field.value = json_object_get(parent->value, key);
	if (json_is_null(field.value))
		field.value = NULL;
	if (field.value)
		check_type(reader, &field, type, effect);
	return field;
}

struct field field_element(struct decode_reader *reader, const struct field *parent, size_t index,
			   enum field_type type)
{
	struct field field = {.parent = parent, .index = index};

	field.value = json_array_get(parent->value, index);
	check_type(reader, &field, type, DROPS_PART);
	return field;
}

size_t field_len(const struct field *field)
{
	return json_array_size(field->value);
}

static struct field without_value(const struct field *field)
{
	return (struct field){.parent = field->parent, .key = field->key, .index = field->index};
}

void field_missing(struct decode_reader *reader, const struct field *field,
		   enum field_effect effect)
{
	struct field place = without_value(field);

	field_problem(reader, &place, effect, "missing");
}

void field_check_left(struct decode_reader *reader, const struct field *list, size_t usable,
		      size_t before)
{
	struct field place = without_value(list);

	if (usable == 0 && reader->problems != before)
		field_problem(reader, &place, DROPS_OBJECT, "nothing in it can be used");
}

const char *field_string(const struct field *field)
{
	return json_string_value(field->value);
}

const char *field_name(struct decode_reader *reader, const struct field *field, size_t max,
		       enum field_effect effect)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-";
	const char *name = field_string(field);
	size_t len;

	if (!name || !*name)
		return NULL;
	len = strlen(name);
	if (len <= max && strspn(name, allowed) == len)
		return name;
	field_problem(reader, field, effect,
		      "is not a name (at most %zu letters, digits, '-' and '.')", max);
	return NULL;
}

bool field_address(struct decode_reader *reader, const struct field *field, struct addr *ret)
{
	const char *text = field_string(field);
	const char *unusable;
	struct addr addr;

	if (field->wrong)
		return false;
	if (!text) {
		field_missing(reader, field, DROPS_PART);
		return false;
	}
	if (addr_from_str(text, &addr) < 0) {
		field_problem(reader, field, DROPS_PART, "is not an IP address");
		return false;
	}
	unusable = addr_unusable(&addr);
	if (unusable) {
		field_problem(reader, field, DROPS_PART, "can not be used: %s address", unusable);
		return false;
	}
	*ret = addr;
	return true;
}

static const struct {
	const char *name;
	uint8_t proto;
} protocols[] = {
	{"TCP", IPPROTO_TCP},
	{"UDP", IPPROTO_UDP},
	{"SCTP", IPPROTO_SCTP},
};

static bool read_protocol(struct decode_reader *reader, const struct field *port, uint8_t *ret)
{
	struct field field = field_member(reader, port, "protocol", FIELD_STRING, DROPS_PART);
	const char *name = field_string(&field);

	if (field.wrong)
		return false;
	if (!name)
		name = "TCP";
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (strcmp(name, protocols[i].name) == 0) {
			*ret = protocols[i].proto;
			return true;
		}
	}
	field_problem(reader, &field, DROPS_PART, "is not a protocol (TCP, UDP or SCTP)");
	return false;
}

static bool read_number(struct decode_reader *reader, const struct field *port, bool needed,
			uint16_t *ret)
{
	struct field field = field_member(reader, port, "port", FIELD_INTEGER, DROPS_PART);
	json_int_t number = json_integer_value(field.value);

	if (field.wrong || (!needed && !field.value))
		return false;
	if (!field.value) {
		field_missing(reader, &field, DROPS_PART);
		return false;
	}
	if (number < 1 || number > UINT16_MAX) {
		field_problem(reader, &field, DROPS_PART, "is not a port number (1 to 65535)");
		return false;
	}
	*ret = (uint16_t)number;
	return true;
}

bool field_port(struct decode_reader *reader, const struct field *field, bool needs_number,
		struct field_port *ret)
{
	struct field name = field_member(reader, field, "name", FIELD_STRING, DROPS_PART);
	const char *text = field_string(&name);

	ret->name = "";
	if (name.wrong)
		return false;
	if (text && *text) {
		ret->name = field_name(reader, &name, DECODE_LABEL_MAX, DROPS_PART);
		if (!ret->name)
			return false;
	}
	return read_number(reader, field, needs_number, &ret->port) &&
	       read_protocol(reader, field, &ret->proto);
}

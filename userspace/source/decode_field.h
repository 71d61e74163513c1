/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON value together with its place in the object, so that every problem can name the field.
 * Places are linked from child to parent and become text only when there is a problem.
 */
#pragma once

#include "base/addr.h"
#include "source/decode.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { DECODE_LABEL_MAX = 63, DECODE_NAME_MAX = 253 };

/* Of the object that is being decoded. */
struct decode_reader {
	const struct decode_events *events;
	enum object_kind kind; /* OBJECT_KIND_COUNT while unknown */
	const char *namespace; /* borrowed from the JSON; NULL while unknown */
	const char *name;
	bool in_list;
	size_t position; /* in the list */
	size_t problems; /* how many were reported */
	bool broken;     /* one of them was fatal: do not deliver it */
};

struct field {
	const struct field *parent; /* NULL: the object itself */
	const char *key;            /* NULL: element of an array */
	size_t index;
	json_t *value; /* borrowed; NULL: absent, null, or of a wrong type */
	bool wrong;    /* of a wrong type; the problem was reported */
};

enum field_type { FIELD_OBJECT, FIELD_ARRAY, FIELD_STRING, FIELD_INTEGER, FIELD_BOOLEAN };

/* What a problem costs. */
enum field_effect {
	DROPS_PART,  /* the field, or the part of the object around it */
	DROPS_OBJECT /* the whole object */
};

/*
 * A member or an element of the given type. A wrong type is reported as a problem; null counts as
 * absent in an object, and as a wrong type in an array. `parent` must outlive the result.
 */
struct field field_member(struct decode_reader *reader, const struct field *parent, const char *key,
			  enum field_type type, enum field_effect effect);
struct field field_element(struct decode_reader *reader, const struct field *parent, size_t index,
			   enum field_type type);

/* Number of elements, 0 if it is absent. */
size_t field_len(const struct field *field);

/* Reports that the field is missing; an empty string counts as missing, too. */
void field_missing(struct decode_reader *reader, const struct field *field,
		   enum field_effect effect);

/*
 * To be called after a list was read: if nothing of it was usable and there were problems since
 * reader->problems was `before`, the object is broken as a whole. Else its last good state would
 * be replaced by an empty one.
 */
void field_check_left(struct decode_reader *reader, const struct field *list, size_t usable,
		      size_t before);

/* The string, NULL if it is absent. */
const char *field_string(const struct field *field);

/* Reports "Kind namespace/name: path: value TEXT", without the value if the field is absent. */
void field_problem(struct decode_reader *reader, const struct field *field,
		   enum field_effect effect, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * A string of 1 to max characters of [A-Za-z0-9.-]: what may go into fixed buffers and logs. NULL
 * if it is absent or empty, and after a problem.
 */
const char *field_name(struct decode_reader *reader, const struct field *field, size_t max,
		       enum field_effect effect);

/* An address that a pod or a service may have. Returns false if there is none, after a problem. */
bool field_address(struct decode_reader *reader, const struct field *field, struct addr *ret);

/* The port of a Service, a slice or an Endpoints subset. `name` is borrowed, "" when unnamed. */
struct field_port {
	const char *name;
	uint16_t port;
	uint8_t proto;
};

/*
 * Returns false if the port is to be left out: after a problem, or, when `needs_number` is not
 * set, silently if it has no number.
 */
bool field_port(struct decode_reader *reader, const struct field *field, bool needs_number,
		struct field_port *ret);

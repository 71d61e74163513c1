/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One decoder per kind. Each returns 0 with the object in *ret, owned by the caller, or with *ret
 * NULL if the object is not for us; or -ENOMEM. A problem that costs the whole object sets
 * reader->broken. `root` is the object itself, reader->namespace and ->name are known.
 */
#pragma once

#include "source/decode_field.h"

struct service;
struct endpoint_group;
struct node;
struct pod;

int decode_service(struct decode_reader *reader, const struct field *root, struct service **ret);
int decode_slice(struct decode_reader *reader, const struct field *root,
		 struct endpoint_group **ret);
int decode_endpoints(struct decode_reader *reader, const struct field *root,
		     struct endpoint_group **ret);
int decode_node(struct decode_reader *reader, const struct field *root, struct node **ret);
int decode_pod(struct decode_reader *reader, const struct field *root, struct pod **ret);

/*
 * metadata.labels or metadata.annotations as a field; its value is NULL if there are none.
 * *metadata is filled as its parent.
 */
struct field decode_metadata(struct decode_reader *reader, const struct field *root,
			     const char *key, struct field *metadata);

/*
 * Decodes and reports an object; if it has no kind, it is of default_kind. Returns 0, also after
 * problems, or -ENOMEM.
 */
int decode_object_as(struct decode_reader *reader, const struct field *root,
		     enum object_kind default_kind);

void decode_syntax_error(const struct decode_events *events, const json_error_t *error);

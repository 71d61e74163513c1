/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "model/node.h"
#include "source/decode_object.h"

#include <errno.h>
#include <string.h>

/* Set on a node that the autoscaler is about to remove. */
static const char leaving_taint[] = "ToBeDeletedByClusterAutoscaler";

static void node_cleanup(struct node **node)
{
	node_free(*node);
}

/* Puts InternalIPs, of which there are *internal so far, before the ExternalIPs. */
static int decode_node_address(struct decode_reader *reader, const struct field *field,
			       struct node *node, size_t *internal)
{
	struct field type = field_member(reader, field, "type", FIELD_STRING, DROPS_PART);
	struct field text = field_member(reader, field, "address", FIELD_STRING, DROPS_PART);
	const char *name = field_string(&type);
	struct addr addr, *items;
	bool is_internal = name && strcmp(name, "InternalIP") == 0;

	if (!is_internal && (!name || strcmp(name, "ExternalIP") != 0))
		return 0;
	if (!field_address(reader, &text, &addr))
		return 0;
	if (vec_push(&node->addresses, addr) < 0)
		return -ENOMEM;
	if (!is_internal)
		return 0;
	items = node->addresses.items;
	memmove(&items[*internal + 1], &items[*internal],
		(node->addresses.len - 1 - *internal) * sizeof(*items));
	items[(*internal)++] = addr;
	return 0;
}

static int decode_node_addresses(struct decode_reader *reader, const struct field *root,
				 struct node *node)
{
	struct field status = field_member(reader, root, "status", FIELD_OBJECT, DROPS_OBJECT);
	struct field addresses =
		field_member(reader, &status, "addresses", FIELD_ARRAY, DROPS_OBJECT);
	size_t len = field_len(&addresses), internal = 0;

	for (size_t i = 0; i < len; i++) {
		struct field element = field_element(reader, &addresses, i, FIELD_OBJECT);
		int r = element.wrong ? 0 : decode_node_address(reader, &element, node, &internal);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_leaving_taint(struct decode_reader *reader, const struct field *root)
{
	struct field spec = field_member(reader, root, "spec", FIELD_OBJECT, DROPS_PART);
	struct field taints = field_member(reader, &spec, "taints", FIELD_ARRAY, DROPS_PART);
	size_t len = field_len(&taints);

	for (size_t i = 0; i < len; i++) {
		struct field taint = field_element(reader, &taints, i, FIELD_OBJECT);
		struct field key = field_member(reader, &taint, "key", FIELD_STRING, DROPS_PART);

		if (key.value && strcmp(field_string(&key), leaving_taint) == 0)
			return true;
	}
	return false;
}

static bool is_deleted(struct decode_reader *reader, const struct field *metadata)
{
	struct field field =
		field_member(reader, metadata, "deletionTimestamp", FIELD_STRING, DROPS_PART);

	return field.value != NULL;
}

int decode_node(struct decode_reader *reader, const struct field *root, struct node **ret)
{
	_cleanup_(node_cleanup) struct node *node = calloc(1, sizeof(*node));
	struct field metadata;
	struct field labels = decode_metadata(reader, root, "labels", &metadata);
	struct field zone = field_member(reader, &labels, "topology.kubernetes.io/zone",
					 FIELD_STRING, DROPS_PART);
	const char *zone_name = field_string(&zone);
	int r;

	if (!node)
		return -ENOMEM;
	node->name = strdup(reader->name);
	node->zone = strdup(zone_name ? zone_name : "");
	if (!node->name || !node->zone)
		return -ENOMEM;
	node->leaving = is_deleted(reader, &metadata) || has_leaving_taint(reader, root);
	r = decode_node_addresses(reader, root, node);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(node);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "model/node.h"
#include "source/decode_object.h"

#include <errno.h>
#include <string.h>

static void node_cleanup(struct node **node)
{
	node_free(*node);
}

static int decode_node_address(struct decode_reader *reader, const struct field *field,
			       struct node *node)
{
	struct field type = field_member(reader, field, "type", FIELD_STRING, DROPS_PART);
	struct field text = field_member(reader, field, "address", FIELD_STRING, DROPS_PART);
	const char *name = field_string(&type);
	struct addr addr;

	if (!name || (strcmp(name, "InternalIP") != 0 && strcmp(name, "ExternalIP") != 0))
		return 0;
	if (!field_address(reader, &text, &addr))
		return 0;
	return vec_push(&node->addresses, addr);
}

static int decode_node_addresses(struct decode_reader *reader, const struct field *root,
				 struct node *node)
{
	struct field status = field_member(reader, root, "status", FIELD_OBJECT, DROPS_OBJECT);
	struct field addresses =
		field_member(reader, &status, "addresses", FIELD_ARRAY, DROPS_OBJECT);
	size_t len = field_len(&addresses);

	for (size_t i = 0; i < len; i++) {
		struct field element = field_element(reader, &addresses, i, FIELD_OBJECT);
		int r = element.wrong ? 0 : decode_node_address(reader, &element, node);

		if (r < 0)
			return r;
	}
	return 0;
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
	r = decode_node_addresses(reader, root, node);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(node);
	return 0;
}

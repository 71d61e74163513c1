/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EndpointSlices (discovery.k8s.io/v1 and v1beta1) and Endpoints. What is wrong with one endpoint
 * or one port costs this one.
 */
#include "base/cleanup.h"
#include "model/endpoint.h"
#include "source/decode_object.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum family { FAMILY_ANY, FAMILY_V4, FAMILY_V6 };

static void group_cleanup(struct endpoint_group **group)
{
	endpoint_group_free(*group);
}

static int decode_ports(struct decode_reader *reader, const struct field *parent,
			struct endpoint_subset *subset)
{
	struct field ports = field_member(reader, parent, "ports", FIELD_ARRAY, DROPS_OBJECT);
	size_t before = reader->problems;
	size_t len = field_len(&ports);

	for (size_t i = 0; i < len; i++) {
		_cleanup_free_ char *name = NULL;
		struct field element = field_element(reader, &ports, i, FIELD_OBJECT);
		struct field_port values;
		struct endpoint_port port;

		if (element.wrong || !field_port(reader, &element, false, &values))
			continue;
		name = strdup(values.name);
		port = (struct endpoint_port){name, values.port, values.proto};
		if (!name || vec_push(&subset->ports, port) < 0)
			return -ENOMEM;
		TAKE_PTR(name);
	}
	field_check_left(reader, &ports, subset->ports.len, before);
	return 0;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* targetRef: the pod behind the endpoint. Anything else than a pod is not recorded. */
static int decode_target(struct decode_reader *reader, const struct field *parent,
			 struct endpoint *endpoint)
{
	struct field ref = field_member(reader, parent, "targetRef", FIELD_OBJECT, DROPS_PART);
	struct field kind = field_member(reader, &ref, "kind", FIELD_STRING, DROPS_PART);
	struct field namespace = field_member(reader, &ref, "namespace", FIELD_STRING, DROPS_PART);
	struct field name = field_member(reader, &ref, "name", FIELD_STRING, DROPS_PART);
	struct field uid = field_member(reader, &ref, "uid", FIELD_STRING, DROPS_PART);
	bool is_pod = kind.value && strcmp(field_string(&kind), "Pod") == 0;
	const char *pod = NULL;
	const char *where = NULL;
	const char *id = NULL;

	if (is_pod) {
		pod = field_name(reader, &name, DECODE_NAME_MAX, DROPS_PART);
		where = field_name(reader, &namespace, DECODE_LABEL_MAX, DROPS_PART);
		id = field_name(reader, &uid, DECODE_NAME_MAX, DROPS_PART);
	}
	if (!pod)
		endpoint->target = strdup("");
	else if (asprintf(&endpoint->target, "%s/%s", where ? where : reader->namespace, pod) < 0)
		endpoint->target = NULL;
	endpoint->uid = strdup(or_empty(id));
	return endpoint->target && endpoint->uid ? 0 : -ENOMEM;
}

/* nodeName, or in v1beta1 a key of topology. */
static int decode_node_name(struct decode_reader *reader, const struct field *parent,
			    struct endpoint *endpoint)
{
	struct field node = field_member(reader, parent, "nodeName", FIELD_STRING, DROPS_PART);
	struct field topology = field_member(reader, parent, "topology", FIELD_OBJECT, DROPS_PART);
	struct field host =
		field_member(reader, &topology, "kubernetes.io/hostname", FIELD_STRING, DROPS_PART);
	const char *name =
		field_name(reader, node.value ? &node : &host, DECODE_NAME_MAX, DROPS_PART);

	endpoint->node_name = strdup(or_empty(name));
	return endpoint->node_name ? 0 : -ENOMEM;
}

/* hints.forZones or hints.forNodes: the names in it. The caller frees what was put into *items. */
static int decode_hint_names(struct decode_reader *reader, const struct field *list, char ***items,
			     size_t *len, size_t *cap)
{
	size_t count = field_len(list);

	for (size_t i = 0; i < count; i++) {
		struct field element = field_element(reader, list, i, FIELD_OBJECT);
		struct field field =
			field_member(reader, &element, "name", FIELD_STRING, DROPS_PART);
		const char *name = field_string(&field);
		char **room;

		if (!name)
			continue;
		room = vec_room(*items, cap, *len, sizeof(*room));
		if (!room)
			return -ENOMEM;
		*items = room;
		room[*len] = strdup(name);
		if (!room[*len])
			return -ENOMEM;
		(*len)++;
	}
	return 0;
}

static int decode_hints(struct decode_reader *reader, const struct field *parent,
			struct endpoint *endpoint)
{
	struct field hints = field_member(reader, parent, "hints", FIELD_OBJECT, DROPS_PART);
	struct field zones = field_member(reader, &hints, "forZones", FIELD_ARRAY, DROPS_PART);
	struct field nodes = field_member(reader, &hints, "forNodes", FIELD_ARRAY, DROPS_PART);
	int r = decode_hint_names(reader, &zones, &endpoint->zone_hints.items,
				  &endpoint->zone_hints.len, &endpoint->zone_hints.cap);

	return r < 0 ? r
		     : decode_hint_names(reader, &nodes, &endpoint->node_hints.items,
					 &endpoint->node_hints.len, &endpoint->node_hints.cap);
}

static int push_endpoint(struct decode_reader *reader, const struct field *field,
			 const struct endpoint *values, struct endpoint_subset *subset)
{
	_cleanup_(endpoint_done) struct endpoint endpoint = *values;

	if (decode_node_name(reader, field, &endpoint) < 0 ||
	    decode_target(reader, field, &endpoint) < 0 ||
	    decode_hints(reader, field, &endpoint) < 0 ||
	    vec_push(&subset->endpoints, endpoint) < 0)
		return -ENOMEM;
	endpoint = (struct endpoint){};
	return 0;
}

static bool read_condition(struct decode_reader *reader, const struct field *conditions,
			   const char *name, bool missing, bool *ret)
{
	struct field field = field_member(reader, conditions, name, FIELD_BOOLEAN, DROPS_PART);

	*ret = field.value ? json_is_true(field.value) : missing;
	return !field.wrong;
}

static bool read_conditions(struct decode_reader *reader, const struct field *field,
			    struct endpoint *ret)
{
	struct field conditions =
		field_member(reader, field, "conditions", FIELD_OBJECT, DROPS_PART);

	return !conditions.wrong &&
	       read_condition(reader, &conditions, "ready", true, &ret->ready) &&
	       read_condition(reader, &conditions, "serving", true, &ret->serving) &&
	       read_condition(reader, &conditions, "terminating", false, &ret->terminating);
}

/* Only the first address counts. */
static bool read_slice_address(struct decode_reader *reader, const struct field *field,
			       enum family family, struct addr *ret)
{
	struct field addresses = field_member(reader, field, "addresses", FIELD_ARRAY, DROPS_PART);
	struct field first;

	if (addresses.wrong)
		return false;
	if (field_len(&addresses) == 0) {
		field_missing(reader, &addresses, DROPS_PART);
		return false;
	}
	first = field_element(reader, &addresses, 0, FIELD_STRING);
	if (!field_address(reader, &first, ret))
		return false;
	if (family == FAMILY_ANY || addr_is_v4(ret) == (family == FAMILY_V4))
		return true;
	field_problem(reader, &first, DROPS_PART, "is not of the slice's addressType");
	return false;
}

static int decode_slice_endpoints(struct decode_reader *reader, const struct field *root,
				  enum family family, struct endpoint_subset *subset)
{
	struct field endpoints = field_member(reader, root, "endpoints", FIELD_ARRAY, DROPS_OBJECT);
	size_t before = reader->problems;
	size_t len = field_len(&endpoints);

	for (size_t i = 0; i < len; i++) {
		struct field element = field_element(reader, &endpoints, i, FIELD_OBJECT);
		struct endpoint values = {};

		if (element.wrong || !read_slice_address(reader, &element, family, &values.addr) ||
		    !read_conditions(reader, &element, &values))
			continue;
		if (push_endpoint(reader, &element, &values, subset) < 0)
			return -ENOMEM;
	}
	field_check_left(reader, &endpoints, subset->endpoints.len, before);
	return 0;
}

static int new_group(const struct decode_reader *reader, const char *service,
		     struct endpoint_group **ret)
{
	_cleanup_(group_cleanup) struct endpoint_group *group = calloc(1, sizeof(*group));

	if (!group)
		return -ENOMEM;
	group->namespace = strdup(reader->namespace);
	group->name = strdup(reader->name);
	group->service = strdup(service);
	if (!group->namespace || !group->name || !group->service)
		return -ENOMEM;
	*ret = TAKE_PTR(group);
	return 0;
}

/* Returns false if the slice is not for us, silently or after a problem. */
static bool read_family(struct decode_reader *reader, const struct field *root, enum family *ret)
{
	struct field type = field_member(reader, root, "addressType", FIELD_STRING, DROPS_OBJECT);
	const char *text = field_string(&type);

	if (!text)
		*ret = FAMILY_ANY;
	else if (strcmp(text, "IPv4") == 0)
		*ret = FAMILY_V4;
	else if (strcmp(text, "IPv6") == 0)
		*ret = FAMILY_V6;
	else if (strcmp(text, "FQDN") == 0)
		return false;
	else
		field_problem(reader, &type, DROPS_OBJECT, "is not IPv4, IPv6 or FQDN");
	return !reader->broken;
}

/* The name of the Service, NULL if the slice is not for us, silently or after a problem. */
static const char *read_service(struct decode_reader *reader, const struct field *root)
{
	struct field metadata;
	struct field labels = decode_metadata(reader, root, "labels", &metadata);
	struct field label;
	const char *service;

	if (json_object_get(labels.value, "service.kubernetes.io/headless"))
		return NULL;
	label = field_member(reader, &labels, "kubernetes.io/service-name", FIELD_STRING,
			     DROPS_OBJECT);
	service = field_name(reader, &label, DECODE_LABEL_MAX, DROPS_OBJECT);
	if (!service && !reader->broken)
		field_missing(reader, &label, DROPS_OBJECT);
	return service;
}

int decode_slice(struct decode_reader *reader, const struct field *root,
		 struct endpoint_group **ret)
{
	_cleanup_(group_cleanup) struct endpoint_group *group = NULL;
	struct endpoint_subset *subset;
	enum family family = FAMILY_ANY;
	const char *service;
	int r;

	*ret = NULL;
	if (!read_family(reader, root, &family))
		return 0;
	service = read_service(reader, root);
	if (!service)
		return 0;
	r = new_group(reader, service, &group);
	if (r == 0)
		r = vec_push(&group->subsets, (struct endpoint_subset){});
	if (r < 0)
		return r;
	subset = &group->subsets.items[0];
	r = decode_ports(reader, root, subset);
	if (r == 0)
		r = decode_slice_endpoints(reader, root, family, subset);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(group);
	return 0;
}

/* `key` is addresses (ready) or notReadyAddresses. */
static int decode_addresses(struct decode_reader *reader, const struct field *parent,
			    const char *key, bool ready, struct endpoint_subset *subset)
{
	struct field addresses = field_member(reader, parent, key, FIELD_ARRAY, DROPS_OBJECT);
	size_t len = field_len(&addresses);

	for (size_t i = 0; i < len; i++) {
		struct field element = field_element(reader, &addresses, i, FIELD_OBJECT);
		struct field ip = field_member(reader, &element, "ip", FIELD_STRING, DROPS_PART);
		struct endpoint values = {.ready = ready, .serving = ready};

		if (element.wrong || !field_address(reader, &ip, &values.addr))
			continue;
		if (push_endpoint(reader, &element, &values, subset) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int decode_subset(struct decode_reader *reader, const struct field *field,
			 struct endpoint_group *group)
{
	_cleanup_(endpoint_subset_done) struct endpoint_subset subset = {};

	if (decode_ports(reader, field, &subset) < 0 ||
	    decode_addresses(reader, field, "addresses", true, &subset) < 0 ||
	    decode_addresses(reader, field, "notReadyAddresses", false, &subset) < 0 ||
	    vec_push(&group->subsets, subset) < 0)
		return -ENOMEM;
	subset = (struct endpoint_subset){};
	return 0;
}

static int decode_subsets(struct decode_reader *reader, const struct field *root,
			  struct endpoint_group *group)
{
	struct field subsets = field_member(reader, root, "subsets", FIELD_ARRAY, DROPS_OBJECT);
	size_t len = field_len(&subsets);

	for (size_t i = 0; i < len; i++) {
		struct field element = field_element(reader, &subsets, i, FIELD_OBJECT);
		int r = element.wrong ? 0 : decode_subset(reader, &element, group);

		if (r < 0)
			return r;
	}
	return 0;
}

int decode_endpoints(struct decode_reader *reader, const struct field *root,
		     struct endpoint_group **ret)
{
	_cleanup_(group_cleanup) struct endpoint_group *group = NULL;
	struct field metadata;
	struct field labels = decode_metadata(reader, root, "labels", &metadata);
	int r;

	*ret = NULL;
	if (json_object_get(labels.value, "service.kubernetes.io/headless"))
		return 0;
	r = new_group(reader, reader->name, &group);
	if (r == 0)
		r = decode_subsets(reader, root, group);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(group);
	return 0;
}

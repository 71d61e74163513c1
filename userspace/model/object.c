/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "model/endpoint.h"
#include "model/model.h"
#include "model/node.h"
#include "model/pod.h"
#include "model/service.h"

static const char *const kind_names[] = {
	[OBJECT_SERVICE] = "Service",
	[OBJECT_SLICE] = "EndpointSlice",
	[OBJECT_ENDPOINTS] = "Endpoints",
	[OBJECT_NODE] = "Node",
	[OBJECT_POD] = "Pod",
};
_Static_assert(ARRAY_SIZE(kind_names) == OBJECT_KIND_COUNT, "a name for every kind");

const char *object_kind_to_str(enum object_kind kind)
{
	return kind_names[kind];
}

const char *object_namespace(const struct object *object)
{
	switch (object->kind) {
	case OBJECT_SERVICE:
		return object->service->namespace;
	case OBJECT_SLICE:
	case OBJECT_ENDPOINTS:
		return object->endpoints->namespace;
	case OBJECT_POD:
		return object->pod->namespace;
	case OBJECT_NODE:
	case OBJECT_KIND_COUNT:
		break;
	}
	return "";
}

const char *object_name(const struct object *object)
{
	switch (object->kind) {
	case OBJECT_SERVICE:
		return object->service->name;
	case OBJECT_SLICE:
	case OBJECT_ENDPOINTS:
		return object->endpoints->name;
	case OBJECT_NODE:
		return object->node->name;
	case OBJECT_POD:
		return object->pod->name;
	case OBJECT_KIND_COUNT:
		break;
	}
	return "";
}

void object_done(struct object *object)
{
	switch (object->kind) {
	case OBJECT_SERVICE:
		service_free(object->service);
		break;
	case OBJECT_SLICE:
	case OBJECT_ENDPOINTS:
		endpoint_group_free(object->endpoints);
		break;
	case OBJECT_NODE:
		node_free(object->node);
		break;
	case OBJECT_POD:
		pod_free(object->pod);
		break;
	case OBJECT_KIND_COUNT:
		break;
	}
	*object = (struct object){};
}

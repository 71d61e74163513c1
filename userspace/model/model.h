/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster as this node knows it: services, endpoints, nodes and pods by name, and which services
 * have to be planned again; for a pod none is, since only how it is probed depends on it. Pure: no I/O, no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint_group;
struct hashmap;
struct node;
struct node_ports;
struct pod;
struct retry_policy;
struct service;

enum object_kind {
	OBJECT_SERVICE,
	OBJECT_SLICE,     /* EndpointSlice */
	OBJECT_ENDPOINTS, /* Endpoints: used for services that have no EndpointSlice at all */
	OBJECT_NODE,
	OBJECT_POD,
	OBJECT_KIND_COUNT
};

const char *object_kind_to_str(enum object_kind kind); /* "Service", "EndpointSlice", … */

struct object {
	enum object_kind kind;
	union {
		struct service *service;
		struct endpoint_group *endpoints; /* OBJECT_SLICE and OBJECT_ENDPOINTS */
		struct node *node;
		struct pod *pod;
	};
};

/* The names in the object, borrowed from it; namespace "" for a Node. */
const char *object_namespace(const struct object *object);
const char *object_name(const struct object *object);

/* Frees what the object holds and leaves an empty one. */
void object_done(struct object *object);

struct model; /* opaque */

/*
 * `node_name` is the node this daemon runs on; `node_ports`, borrowed, says where NodePorts are
 * reached. Returns 0 or -ENOMEM.
 */
int model_new(const char *node_name, const struct node_ports *node_ports, struct model **ret);
void model_free(struct model *model);

/*
 * Adds or replaces an object; takes what it holds, also on failure, and leaves it empty. Marks the
 * services that it concerns as changed. Returns 0, -ENOMEM, or -ENAMETOOLONG for a name of more
 * than 253 bytes; on failure the model still holds the old object, or none.
 */
int model_put(struct model *model, struct object *object);

/*
 * Removes an object, if it is there, and marks the services that it concerns as changed. Returns 1
 * if it was there, else 0.
 */
int model_remove(struct model *model, enum object_kind kind, const char *namespace,
		 const char *name);

/*
 * Takes one service out of the set of changed ones: *ret_namespace and *ret_name are copies that
 * the caller owns. The service may be gone from the model. Returns 1, 0 if none is left, -ENOMEM.
 */
int model_next_changed(struct model *model, char **ret_namespace, char **ret_name);

size_t model_count(const struct model *model, enum object_kind kind);

const char *model_node_name(const struct model *model);
const struct node_ports *model_node_ports(const struct model *model);

/* Grows whenever something of a Node that matters here has changed. */
uint64_t model_nodes_version(const struct model *model);

/*
 * Whether load balancers may choose this node: not if it leaves, nor if its Node object was there
 * and is gone.
 */
bool model_node_is_eligible(const struct model *model);

/* Borrowed, NULL if there is none. */
const struct node *model_node(const struct model *model, const char *name);

/* All nodes, as values of type struct node. Borrowed until a node is put or removed. */
const struct hashmap *model_nodes(const struct model *model);

/* What holds for Services that do not say otherwise; RETRY_POLICY_DEFAULT until it is set. */
void model_set_retry_defaults(struct model *model, const struct retry_policy *defaults);
const struct retry_policy *model_retry_defaults(const struct model *model);

/* Borrowed, NULL if there is none. */
const struct service *model_service(const struct model *model, const char *namespace,
				    const char *name);

/* Borrowed, NULL if it is not known. */
const struct pod *model_pod(const struct model *model, const char *namespace, const char *name);

/*
 * The groups that hold the endpoints of a service: its EndpointSlices if it has any, else its
 * Endpoints object. Writes at most `max` borrowed pointers, ordered by name, and returns how many
 * there are.
 */
size_t model_endpoints(const struct model *model, const char *namespace, const char *name,
		       const struct endpoint_group **ret_groups, size_t max);

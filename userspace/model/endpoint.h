/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints of a Service as plain values, from EndpointSlice or Endpoints objects alike. The
 * structs own everything they point to.
 */
#pragma once

#include "base/addr.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

struct endpoint {
	struct addr addr;
	char *node_name; /* "" when unknown */
	char *target;    /* targetRef: "namespace/name" of the pod, "" when there is none */
	char *uid;       /* targetRef's uid, "" when there is none */
	/* hints: where it should be used from. Empty: it has none of that kind. */
	VEC(char *) zone_hints;
	VEC(char *) node_hints;
	bool ready;   /* missing condition: true */
	bool serving; /* missing condition: true */
	bool terminating;
};

struct endpoint_port {
	char *name;    /* "" when unnamed */
	uint16_t port; /* host order, never 0 */
	uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
};

/* Every endpoint offers every port. */
struct endpoint_subset {
	VEC(struct endpoint) endpoints;
	VEC(struct endpoint_port) ports;
};

/*
 * One EndpointSlice (one subset) or one Endpoints object (any number of subsets; the ready
 * addresses have ready = serving = true, the others ready = serving = false).
 */
struct endpoint_group {
	char *namespace;
	char *name;
	char *service; /* name of the Service: the slice's label, or the Endpoints' own name */
	VEC(struct endpoint_subset) subsets;
};

void endpoint_done(struct endpoint *endpoint);
void endpoint_subset_done(struct endpoint_subset *subset);

/* Frees the group and what it owns. NULL is allowed. */
void endpoint_group_free(struct endpoint_group *group);

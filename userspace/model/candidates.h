/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The endpoints that offer a port, each once, over all slices of a Service: kube-proxy's
 * pkg/proxy/endpointslicecache.go. Pure.
 */
#pragma once

#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;
struct endpoint_group;
struct service_port;

struct candidate {
	const struct endpoint *endpoint;
	uint16_t port;
	size_t order; /* in which it was found: makes the result independent of the sort */
};

struct candidates {
	VEC(struct candidate) list;
};

/*
 * Those of one family that offer the port, whatever their conditions, ordered by address and port.
 * The result borrows from the groups; the caller owns its list. Returns 0, or -ENOMEM with *ret
 * untouched.
 */
int candidates_collect(const struct endpoint_group *const *groups, size_t groups_len,
		       const struct service_port *port, bool v4, struct candidates *ret);
void candidates_done(struct candidates *candidates);

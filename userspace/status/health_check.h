/* SPDX-License-Identifier: Apache-2.0 */
/*
 * healthCheckNodePort: a load balancer asks each node whether it has endpoints of a Service, and
 * sends only to those that do. Answers as kube-proxy's (pkg/proxy/healthcheck/service_health.go).
 */
#pragma once

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct health_checks; /* opaque */
struct loop;

/* `healthy` tells whether this node serves at all. Borrows the loop. Returns 0 or -ENOMEM. */
int health_checks_new(struct loop *loop, bool (*healthy)(void *arg), void *arg,
		      struct health_checks **ret);
void health_checks_free(struct health_checks *checks);

/*
 * At which addresses to listen from now on; none: at all, as in the beginning. Returns 0, or -errno if
 * some could not be opened: then health_checks_retry() tries again.
 */
int health_checks_listen(struct health_checks *checks, const struct addr *addrs, size_t len);

/*
 * Answers for a Service at a port, with the number of its endpoints here; port 0 ends that. Returns 0, or -errno if nothing could be opened (-EADDRINUSE): then
 * health_checks_retry() tries again.
 */
int health_checks_set(struct health_checks *checks, const char *namespace, const char *name,
		      uint16_t port, size_t endpoints);

void health_checks_retry(struct health_checks *checks);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon tells over HTTP: /livez, /healthz, /metrics (Prometheus), /v1/status,
 * /v1/services and /v1/backends (JSON). docs/status.md describes them.
 */
#pragma once

#include "status/status_view.h"

struct loop;
struct status; /* opaque */

/* What is told to whom can reach an address: nobody has to log in. */
enum status_scope {
	STATUS_ALL,
	STATUS_HEALTH, /* /livez and /healthz: what load balancers ask kube-proxy for on port 10256 */
};

/*
 * Listens on "ADDR:PORT" and answers from *context, which it borrows: it may be filled until the
 * loop runs. Returns 0, -EINVAL for an address that does not parse, -EADDRINUSE, -errno.
 */
int status_new(struct loop *loop, const char *address, enum status_scope scope,
	       const struct status_context *context, struct status **ret);

/* NULL is allowed. */
void status_free(struct status *status);

/* The port it listens on. */
unsigned int status_port(const struct status *status);

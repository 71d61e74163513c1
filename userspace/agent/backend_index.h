/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent remembers of each backend, by the datapath's number: for log and status. */
#pragma once

#include "base/addr.h"
#include "model/conn_policy.h"
#include "model/plan.h"

#include <stdint.h>

struct backend_info {
	uint32_t index;
	struct addr addr;
	uint16_t port; /* host order */
	uint8_t proto;
	struct conn_policy conns;
	char *target;  /* pod as "namespace/name", "" when unknown; owned */
	char *service; /* "namespace/name:port/proto"; owned */
};

struct backend_index; /* opaque */

/* Returns 0 or -ENOMEM. */
int backend_index_new(struct backend_index **ret);
void backend_index_free(struct backend_index *index);

/* Remembers a backend, replacing what was known of that number. Returns 0 or -ENOMEM. */
int backend_index_put(struct backend_index *index, uint32_t backend, const struct plan_port *port,
		      const struct plan_endpoint *endpoint);
void backend_index_set_conns(struct backend_index *index, uint32_t backend,
			     const struct conn_policy *conns);
void backend_index_remove(struct backend_index *index, uint32_t backend);

/* Borrowed; NULL if it is not known. */
const struct backend_info *backend_index_get(const struct backend_index *index, uint32_t backend);

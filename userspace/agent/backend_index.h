/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent remembers of each backend, by the datapath's number: for log and status. */
#pragma once

#include "base/addr.h"
#include "model/conn_policy.h"
#include "model/plan.h"

#include <stdbool.h>
#include <stdint.h>

struct backend_info {
	uint32_t index;
	struct addr addr;
	uint16_t port; /* host order */
	uint8_t proto;
	struct conn_policy conns;
	char *target;   /* pod as "namespace/name", "" when unknown; owned */
	char *uid;      /* the pod's, "" when unknown; owned */
	char *service;  /* "namespace/name:port/proto"; owned */
	bool own_probe; /* its Service says itself how it is probed */
	bool wanted;    /* it was in demand at least once */
};

struct backend_index; /* opaque */

/* Returns 0 or -ENOMEM. */
int backend_index_new(struct backend_index **ret);
void backend_index_free(struct backend_index *index);

/* Remembers a backend, replacing what was known of that number. Returns 0 or -ENOMEM. */
int backend_index_put(struct backend_index *index, uint32_t backend, const struct plan_port *port,
		      const struct plan_endpoint *endpoint);

/* What may change of it: by the annotations of its Service. */
void backend_index_update(struct backend_index *index, uint32_t backend,
			  const struct plan_port *port);
void backend_index_set_wanted(struct backend_index *index, uint32_t backend);
void backend_index_remove(struct backend_index *index, uint32_t backend);

/* Borrowed; NULL if it is not known. */
const struct backend_info *backend_index_get(const struct backend_index *index, uint32_t backend);

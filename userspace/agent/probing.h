/* SPDX-License-Identifier: Apache-2.0 */
/* The backends of the datapath, as health knows them. Logs. */
#pragma once

#include "health/health_guard.h"

#include <stdbool.h>
#include <stdint.h>

struct backend_index;
struct datapath;
struct dp_backend_change;
struct health;
struct plan;
struct plan_port;
struct pod_probes;

/* All are borrowed. */
struct probing {
	struct datapath *datapath;
	struct health *health;
	struct backend_index *backends;
	struct pod_probes *pod_probes;
};

/* A backend is new, or gone. Removing is idempotent. */
void probing_add(const struct probing *probing, const struct plan_port *port,
		 const struct dp_backend_change *change);
void probing_remove(const struct probing *probing, uint32_t backend);

/* A service was planned again: it, or its pods, may want other probes. */
void probing_update(const struct probing *probing, const struct plan *plan);

/* A backend is in demand for the first time. */
void probing_want(const struct probing *probing, uint32_t backend);

/* health_pool_fn of health.h. */
bool probing_pool(const struct probing *probing, uint32_t backend, struct guard_pool *ret);

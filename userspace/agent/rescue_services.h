/* SPDX-License-Identifier: Apache-2.0 */
/* Rescue as the agent has it: which Services want it, and what the status API tells of it. */
#pragma once

#include "swerve_abi.h"

#include <stdint.h>

struct agent_config;
struct plan;
struct rescue;
struct status_context;

/*
 * Makes it, and puts what it tells into *status. The caller frees *ret. Returns 0 or -ENOMEM.
 */
int rescue_services_open(const struct agent_config *config, struct status_context *status,
			 struct rescue **ret);

/*
 * Follows the plan of a Service ("namespace/name"); one that is gone has an empty plan. Logs why
 * rescue can not start.
 */
void rescue_services_note(struct rescue *rescue, const char *service, const struct plan *plan);

/* What waits for a backend that is down now is replayed on another. */
void rescue_services_health(struct rescue *rescue, uint32_t backend, enum sw_health before,
			    enum sw_health after);

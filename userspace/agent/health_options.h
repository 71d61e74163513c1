/* SPDX-License-Identifier: Apache-2.0 */
/* What the options say of probing and of what follows from it, as values. Pure. */
#pragma once

#include "agent/options.h"
#include "health/health.h"
#include "model/conn_policy.h"
#include "model/probe_spec.h"

#include <stdbool.h>
#include <stddef.h>

struct health_options {
	struct health_config health;
	struct probe_spec probe;  /* for Services whose annotations say nothing else */
	struct conn_policy conns; /* the same */
	bool pod_probes;          /* pods are asked for their readinessProbe */
};

/* Returns 0, or -EINVAL with a sentence in error; then *ret is untouched. */
int health_options_parse(const struct options *options, struct health_options *ret, char *error,
			 size_t error_size);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How each backend is probed: as its Service's annotations say; where they do not say it, as the
 * readinessProbe of its pod does; else by the defaults. Pods are looked up in the model, and those
 * that are not there are asked for once they are in demand, if the source can be asked.
 */
#pragma once

#include "agent/backend_index.h"
#include "agent/health_options.h"
#include "model/probe_spec.h"

#include <stdbool.h>
#include <stdint.h>

struct agent_source;
struct model;
struct pod_probes; /* opaque */

/* Borrows the model. `options` are copied. Returns 0 or -ENOMEM. */
int pod_probes_new(struct model *model, const struct health_options *options,
		   struct pod_probes **ret);
void pod_probes_free(struct pod_probes *probes);

/* From where pods are asked for, borrowed; before this nobody is. */
void pod_probes_set_source(struct pod_probes *probes, struct agent_source *source);

/* A backend is there, or gone. Adding returns 0 or -ENOMEM, removing is idempotent. */
int pod_probes_add(struct pod_probes *probes, const struct backend_info *info);
void pod_probes_remove(struct pod_probes *probes, const struct backend_info *info);

/* `annotations` is the service's. */
struct probe_spec pod_probes_spec(const struct pod_probes *probes,
				  const struct probe_spec *annotations,
				  const struct backend_info *info);

/* Whether its pod, which is to be asked for, may say that it is probed in another way. */
bool pod_probes_is_pending(const struct pod_probes *probes, const struct backend_info *info);

/* Asks for the pod of a backend, if that is still to be done. Logs. */
void pod_probes_want(struct pod_probes *probes, const struct backend_info *info);

/* The backends that are the pod "namespace/name", *ret_len of them; borrowed until the next change. */
const uint32_t *pod_probes_backends(const struct pod_probes *probes, const char *namespace,
				    const char *name, size_t *ret_len);

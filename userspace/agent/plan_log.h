/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says once what could not be applied of a service, and once that it could be after all. Services
 * are planned again and again; what has not changed since is not said again.
 */
#pragma once

#include "datapath/datapath.h"

#include <stddef.h>

struct plan_log; /* opaque */

/* Returns 0 or -ENOMEM. */
int plan_log_new(struct plan_log **ret);
void plan_log_free(struct plan_log *log);

/*
 * Notes how applying a service ("namespace/name") went: `err` as datapath_apply() returned it,
 * `skipped` ports that are not served. Logs what is new about it.
 */
void plan_log_result(struct plan_log *log, const char *service, int err, size_t skipped,
		     const struct datapath_result *result);

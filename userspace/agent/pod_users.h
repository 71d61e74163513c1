/* SPDX-License-Identifier: Apache-2.0 */
/* Which backends are which pod, and whether it was asked for. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pod_users; /* opaque */

/* Returns 0 or -ENOMEM. */
int pod_users_new(struct pod_users **ret);
void pod_users_free(struct pod_users *users);

/*
 * A backend is the pod `target` ("namespace/name") of that uid. Another uid than before is another
 * pod. Returns 0 or -ENOMEM.
 */
int pod_users_add(struct pod_users *users, const char *target, const char *uid, uint32_t backend);

/* Returns whether it was the last backend of its pod. Idempotent. */
bool pod_users_remove(struct pod_users *users, const char *target, uint32_t backend);

/* Returns true the first time for each pod that has backends. */
bool pod_users_ask(struct pod_users *users, const char *target);

/* The backends of a pod, *ret_len of them; borrowed until the next change. */
const uint32_t *pod_users_get(const struct pod_users *users, const char *target, size_t *ret_len);

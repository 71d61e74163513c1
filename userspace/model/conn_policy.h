/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a Service's connections when their endpoint fails: annotations as a value. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct conn_policy {
	bool close_on_down;  /* connections to an endpoint that is down are closed */
	uint64_t down_grace; /* ns that it must have been down before */
};

/* They are closed, after 1 s. */
extern const struct conn_policy CONN_POLICY_DEFAULT;

/*
 * Sets the field that an annotation stands for. `key` is the whole annotation key:
 *   swerve.dev/on-down     close or keep
 *   swerve.dev/down-grace  0 to 10m     (Go durations)
 * Returns 1 if it was set, 0 if the key is none of these, -EINVAL if the value does not fit: then
 * *policy is unchanged and *ret_expected says what would fit (static text).
 */
int conn_policy_set(struct conn_policy *policy, const char *key, const char *value,
		    const char **ret_expected);

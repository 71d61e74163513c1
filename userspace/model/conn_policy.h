/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to a Service's connections when their endpoint fails, and when it is back: annotations as
 * a value.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct conn_policy {
	bool close_on_down;  /* connections to an endpoint that is down are closed */
	uint64_t down_grace; /* ns that it must have been down before */
	uint64_t hang_grace; /* the same if it is down because it does not answer */
	uint64_t slow_start; /* ns until it has its full share of connections when it is back */
};

/* Not said. */
#define CONN_GRACE_UNSET UINT64_MAX

/* They are closed; the times are not said. */
extern const struct conn_policy CONN_POLICY_DEFAULT;

/* The times for Services that do not say any: 1 s, 50 ms, 2 s. */
extern const struct conn_policy CONN_POLICY_FALLBACK;

/*
 * How long (ns) a backend must have been down before its connections are closed. `hangs`: it does
 * not answer. A Service that says only its down-grace means it for that, too.
 */
uint64_t conn_policy_grace(const struct conn_policy *policy, const struct conn_policy *fallback,
			   bool hangs);

/* ns. */
uint64_t conn_policy_slow_start(const struct conn_policy *policy,
				const struct conn_policy *fallback);

/*
 * Sets the field that an annotation stands for. `key` is the whole annotation key:
 *   swerve.dev/on-down     close or keep
 *   swerve.dev/down-grace  0 to 10m     (Go durations)
 *   swerve.dev/hang-grace  0 to 10m
 *   swerve.dev/slow-start  0 to 10m
 * Returns 1 if it was set, 0 if the key is none of these, -EINVAL if the value does not fit: then
 * *policy is unchanged and *ret_expected says what would fit (static text).
 */
int conn_policy_set(struct conn_policy *policy, const char *key, const char *value,
		    const char **ret_expected);

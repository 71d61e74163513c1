/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How connections to a Service choose their endpoint, and what of them shows that it fails:
 * annotations as a value.
 */
#pragma once

#include <stdint.h>

enum steer_balance { BALANCE_RANDOM, BALANCE_ROUND_ROBIN, BALANCE_LEAST_CONN, BALANCE_COUNT };

struct steer_policy {
	enum steer_balance balance;
	uint32_t outlier_5xx;     /* 5xx responses in a row that eject an endpoint; 0: never */
	uint32_t connect_timeout; /* ms until connect() fails; 0: as the system has it */
	uint32_t user_timeout;    /* ms that sent data may wait for its acknowledgement; 0: same */
};

/* random, 3, and the time-outs of the system. */
extern const struct steer_policy STEER_POLICY_DEFAULT;

/* "random", "round-robin", "least-conn". */
const char *steer_balance_to_str(enum steer_balance balance);

/*
 * Sets the field that an annotation stands for. `key` is the whole annotation key:
 *   swerve.dev/balance          random, round-robin or least-conn
 *   swerve.dev/outlier-5xx      1 to 100, or off
 *   swerve.dev/connect-timeout  50ms to 1m     (Go durations; whole milliseconds count)
 *   swerve.dev/user-timeout     50ms to 1h
 * Returns 1 if it was set, 0 if the key is none of these, -EINVAL if the value does not fit: then
 * *policy is unchanged and *ret_expected says what would fit (static text).
 */
int steer_policy_set(struct steer_policy *policy, const char *key, const char *value,
		     const char **ret_expected);

/* SPDX-License-Identifier: Apache-2.0 */
/* Which failed requests of a Service are replayed on another endpoint: annotations as a value. */
#pragma once

#include <stdint.h>

/* Bits of retry_policy.on. */
enum retry_failure {
	RETRY_5XX = 1,     /* HTTP 500, 502, 503 or 504 */
	RETRY_RESET = 2,   /* the connection ended before the first byte of the response */
	RETRY_REFUSED = 4, /* the connection was refused */
	RETRY_TIMEOUT = 8, /* no answer within request_timeout */
};

/* Bits of retry_policy.methods: the idempotent ones (RFC 9110, 9.2.2). */
enum retry_method {
	RETRY_GET = 1,
	RETRY_HEAD = 2,
	RETRY_OPTIONS = 4,
	RETRY_PUT = 8,
	RETRY_DELETE = 16,
};

struct retry_policy {
	uint32_t given;           /* private: which fields have been set */
	uint32_t on;              /* enum retry_failure; 0: no request is ever replayed */
	uint32_t methods;         /* enum retry_method */
	uint32_t budget;          /* replays in percent of the requests of the last 10 s */
	uint64_t timeout;         /* ns from a failure to the first byte of another response */
	uint64_t request_timeout; /* ns until a request without an answer has failed; 0: never */
};

/* Off; and if it is switched on: all methods, 20 %, 1 s, no request time-out. */
extern const struct retry_policy RETRY_POLICY_DEFAULT;

/*
 * Sets the field that an annotation stands for. `key` is the whole annotation key:
 *   swerve.dev/retry-on         a list of 5xx, reset, refused, timeout; or none
 *   swerve.dev/retry-methods    a list of GET, HEAD, OPTIONS, PUT, DELETE
 *   swerve.dev/retry-timeout    10ms to 1m      (Go durations)
 *   swerve.dev/retry-budget     0% to 100%
 *   swerve.dev/request-timeout  10ms to 10m; 0 for none
 * Returns 1 if it was set, 0 if the key is none of these, -EINVAL if the value does not fit: then
 * *policy is unchanged and *ret_expected says what would fit (static text).
 */
int retry_policy_set(struct retry_policy *policy, const char *key, const char *value,
		     const char **ret_expected);

/* What was set, and for the rest what the defaults say. */
struct retry_policy retry_policy_merge(const struct retry_policy *policy,
				       const struct retry_policy *defaults);

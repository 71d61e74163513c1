/* SPDX-License-Identifier: Apache-2.0 */
/* How the endpoints of a Service are probed: the annotations swerve.dev/probe… as a value. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum probe_kind {
	PROBE_TCP,
	PROBE_HTTP,
	PROBE_HTTPS,
	PROBE_GRPC,
	PROBE_DNS,
	PROBE_NONE,
	PROBE_KIND_COUNT
};

enum {
	PROBE_PATH_SIZE = 256,
	PROBE_HOST_SIZE = 254,
	PROBE_GRPC_SERVICE_SIZE = 121,
	PROBE_HEADERS_SIZE = 512
};

struct probe_spec {
	enum probe_kind kind;
	char path[PROBE_PATH_SIZE];       /* of the GET, begins with '/' */
	char host[PROBE_HOST_SIZE];       /* "Host" and TLS' server name; "": address and port */
	char headers[PROBE_HEADERS_SIZE]; /* "Name: value\n" each; an empty value: see http_get */
	char grpc_service[PROBE_GRPC_SERVICE_SIZE]; /* of the health check; "": the whole server */
	uint16_t port;                              /* host order; 0: the endpoint's own port */
	uint8_t rise;      /* successes in a row until a backend that is down comes back */
	uint8_t fall;      /* ambiguous failures in a row until it is taken out */
	uint64_t interval; /* ns from the start of a probe to the next one's */
	uint64_t fast; /* the same while a doubt is to be cleared; the shorter of the two counts */
	uint64_t timeout; /* ns until a probe without an answer has failed, at most */
	uint16_t given;   /* bits of enum probe_field: somebody asked for just this value */
};

/* In the order of the annotations below; for the headers there is none. */
enum probe_field {
	PROBE_FIELD_KIND,
	PROBE_FIELD_PATH,
	PROBE_FIELD_HOST,
	PROBE_FIELD_GRPC_SERVICE,
	PROBE_FIELD_PORT,
	PROBE_FIELD_INTERVAL,
	PROBE_FIELD_FAST,
	PROBE_FIELD_TIMEOUT,
	PROBE_FIELD_RISE,
	PROBE_FIELD_FALL,
	PROBE_FIELD_HEADERS,
	PROBE_FIELD_COUNT
};

static inline bool probe_spec_has(const struct probe_spec *spec, enum probe_field field)
{
	return spec->given >> field & 1;
}

/* tcp, "/", own port, rise 2, fall 3, interval 100 ms, fast 20 ms, timeout 500 ms. */
extern const struct probe_spec PROBE_SPEC_DEFAULT;

const char *probe_kind_to_str(enum probe_kind kind);

/*
 * Sets the field that an annotation stands for. `key` is the whole annotation key:
 *   swerve.dev/probe           tcp, http, https, grpc, dns or none
 *   swerve.dev/probe-path      absolute path and query, at most 255 ASCII characters, no spaces
 *   swerve.dev/probe-host      a host name or IPv4 address, for http, https and dns
 *   swerve.dev/probe-grpc-service  at most 120 ASCII characters without spaces
 *   swerve.dev/probe-port      1 to 65535
 *   swerve.dev/probe-interval  10ms to 1m      (Go durations)
 *   swerve.dev/probe-fast-interval  5ms to 1m
 *   swerve.dev/probe-timeout   1ms to 1m
 *   swerve.dev/probe-rise      1 to 10
 *   swerve.dev/probe-fall      1 to 10
 * Returns 1 if it was set, 0 if the key is none of these, -EINVAL if the value does not fit: then
 * *spec is unchanged and *ret_expected says what would fit (static text).
 */
int probe_spec_set(struct probe_spec *spec, const char *key, const char *value,
		   const char **ret_expected);

/*
 * Adds a header of the GET. `value` may be empty. Returns 0, or -EINVAL for what can not be sent or
 * is too long.
 */
int probe_spec_add_header(struct probe_spec *spec, const char *name, const char *value);

static inline void probe_spec_give(struct probe_spec *spec, enum probe_field field)
{
	spec->given |= (uint16_t)(1U << field);
}

/* Takes over what `over` was given. */
void probe_spec_overlay(struct probe_spec *spec, const struct probe_spec *over);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row per annotation. A setter changes the spec only when the value fits.
 */
#include "model/probe_spec.h"

#include "base/cleanup.h"
#include "base/duration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct probe_spec PROBE_SPEC_DEFAULT = {
	.kind = PROBE_TCP,
	.path = "/",
	.rise = 2,
	.fall = 3,
	.interval = 100 * NSEC_PER_MSEC,
	.fast = 20 * NSEC_PER_MSEC,
	.timeout = 500 * NSEC_PER_MSEC,
};

static const char *const kind_names[] = {
	[PROBE_TCP] = "tcp",   [PROBE_HTTP] = "http", [PROBE_HTTPS] = "https",
	[PROBE_GRPC] = "grpc", [PROBE_DNS] = "dns",   [PROBE_NONE] = "none",
};
_Static_assert(ARRAY_SIZE(kind_names) == PROBE_KIND_COUNT, "a name for every kind");

const char *probe_kind_to_str(enum probe_kind kind)
{
	return kind_names[kind];
}

/* Plain decimal digits, no sign. */
static int number_from_str(const char *text, unsigned int min, unsigned int max, unsigned int *ret)
{
	size_t len = strlen(text);
	unsigned int value = 0;

	if (len == 0 || len > 5)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned int)(*text - '0');
	}
	if (value < min || value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int set_kind(struct probe_spec *spec, const char *value)
{
	for (size_t i = 0; i < PROBE_KIND_COUNT; i++) {
		if (strcmp(value, kind_names[i]) == 0) {
			spec->kind = (enum probe_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Visible ASCII characters, fewer than `size`. */
static int set_text(char *field, size_t size, const char *value)
{
	size_t len = strlen(value);

	if (len >= size)
		return -EINVAL;
	for (const char *c = value; *c; c++) {
		if (*c <= ' ' || *c > '~')
			return -EINVAL;
	}
	memcpy(field, value, len + 1);
	return 0;
}

static int set_path(struct probe_spec *spec, const char *value)
{
	return value[0] == '/' ? set_text(spec->path, sizeof(spec->path), value) : -EINVAL;
}

/* Letters, digits, '.' and '-': what goes into a URL as it is. */
static int set_host(struct probe_spec *spec, const char *value)
{
	const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

	if (!*value || value[strspn(value, allowed)])
		return -EINVAL;
	return set_text(spec->host, sizeof(spec->host), value);
}

static int set_grpc_service(struct probe_spec *spec, const char *value)
{
	return set_text(spec->grpc_service, sizeof(spec->grpc_service), value);
}

static int set_port(struct probe_spec *spec, const char *value)
{
	unsigned int port;
	int r = number_from_str(value, 1, UINT16_MAX, &port);

	if (r == 0)
		spec->port = (uint16_t)port;
	return r;
}

static int set_count(uint8_t *count, const char *value)
{
	unsigned int number;
	int r = number_from_str(value, 1, 10, &number);

	if (r == 0)
		*count = (uint8_t)number;
	return r;
}

static int set_rise(struct probe_spec *spec, const char *value)
{
	return set_count(&spec->rise, value);
}

static int set_fall(struct probe_spec *spec, const char *value)
{
	return set_count(&spec->fall, value);
}

static int set_duration(uint64_t *duration, uint64_t min, const char *value)
{
	uint64_t ns;

	if (duration_from_str(value, &ns) < 0 || ns < min || ns > 60 * NSEC_PER_SEC)
		return -EINVAL;
	*duration = ns;
	return 0;
}

static int set_interval(struct probe_spec *spec, const char *value)
{
	return set_duration(&spec->interval, 10 * NSEC_PER_MSEC, value);
}

static int set_fast(struct probe_spec *spec, const char *value)
{
	return set_duration(&spec->fast, 5 * NSEC_PER_MSEC, value);
}

static int set_timeout(struct probe_spec *spec, const char *value)
{
	return set_duration(&spec->timeout, NSEC_PER_MSEC, value);
}

#define FIELD(field) offsetof(struct probe_spec, field), sizeof(((struct probe_spec *)0)->field)

/* clang-format off */
static const struct {
	const char *key;
	int (*set)(struct probe_spec *spec, const char *value);
	size_t offset, size;
	const char *expected;
} annotations[] = {
	[PROBE_FIELD_KIND] = {
		"swerve.dev/probe", set_kind, FIELD(kind), "tcp, http, https, grpc, dns or none"},
	[PROBE_FIELD_PATH] = {
		"swerve.dev/probe-path", set_path, FIELD(path),
		"an absolute path of at most 255 ASCII characters without spaces"},
	[PROBE_FIELD_HOST] = {
		"swerve.dev/probe-host", set_host, FIELD(host), "a host name or an IPv4 address"},
	[PROBE_FIELD_GRPC_SERVICE] = {
		"swerve.dev/probe-grpc-service", set_grpc_service, FIELD(grpc_service),
		"at most 120 ASCII characters without spaces"},
	[PROBE_FIELD_PORT] = {
		"swerve.dev/probe-port", set_port, FIELD(port), "a port number (1 to 65535)"},
	[PROBE_FIELD_INTERVAL] = {
		"swerve.dev/probe-interval", set_interval, FIELD(interval),
		"a duration from 10ms to 1m"},
	[PROBE_FIELD_FAST] = {
		"swerve.dev/probe-fast-interval", set_fast, FIELD(fast),
		"a duration from 5ms to 1m"},
	[PROBE_FIELD_TIMEOUT] = {
		"swerve.dev/probe-timeout", set_timeout, FIELD(timeout),
		"a duration from 1ms to 1m"},
	[PROBE_FIELD_RISE] = {
		"swerve.dev/probe-rise", set_rise, FIELD(rise), "a number from 1 to 10"},
	[PROBE_FIELD_FALL] = {
		"swerve.dev/probe-fall", set_fall, FIELD(fall), "a number from 1 to 10"},
	[PROBE_FIELD_HEADERS] = {NULL, NULL, FIELD(headers), NULL},
};
/* clang-format on */
_Static_assert(ARRAY_SIZE(annotations) == PROBE_FIELD_COUNT, "a row for every field");

int probe_spec_set(struct probe_spec *spec, const char *key, const char *value,
		   const char **ret_expected)
{
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++) {
		if (!annotations[i].key || strcmp(key, annotations[i].key) != 0)
			continue;
		if (annotations[i].set(spec, value) == 0) {
			probe_spec_give(spec, (enum probe_field)i);
			return 1;
		}
		*ret_expected = annotations[i].expected;
		return -EINVAL;
	}
	return 0;
}

/* RFC 9110, 5.6.2. */
static bool is_token(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789!#$%&'*+-.^_`|~";

	return *text && !text[strspn(text, allowed)];
}

static bool is_one_line(const char *text)
{
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	}
	return true;
}

int probe_spec_add_header(struct probe_spec *spec, const char *name, const char *value)
{
	size_t used = strlen(spec->headers), room = sizeof(spec->headers) - used;

	if (!is_token(name) || !is_one_line(value) ||
	    strlen(name) + strlen(": \n") + strlen(value) >= room)
		return -EINVAL;
	snprintf(spec->headers + used, room, "%s: %s\n", name, value);
	probe_spec_give(spec, PROBE_FIELD_HEADERS);
	return 0;
}

void probe_spec_overlay(struct probe_spec *spec, const struct probe_spec *over)
{
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++) {
		if (probe_spec_has(over, (enum probe_field)i))
			memcpy((char *)spec + annotations[i].offset,
			       (const char *)over + annotations[i].offset, annotations[i].size);
	}
	spec->given |= over->given;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readiness probes as the kubelet understands them (pkg/probe, pkg/kubelet/prober and core/v1 of
 * Kubernetes 1.36). What a probe from elsewhere can not do as it does (exec, or a host that is not the
 * pod) counts as no probe. A pod has much that does not concern us, so only what we read can be wrong.
 */
#include "base/cleanup.h"
#include "base/duration.h"
#include "model/pod.h"
#include "source/decode_object.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TIMEOUT_MAX = 60 }; /* s */

static void pod_cleanup(struct pod **pod)
{
	pod_free(*pod);
}

static uint8_t proto_of(const struct field *port)
{
	const char *text = json_string_value(json_object_get(port->value, "protocol"));

	if (text && !strcmp(text, "UDP"))
		return IPPROTO_UDP;
	return text && !strcmp(text, "SCTP") ? IPPROTO_SCTP : IPPROTO_TCP;
}

static json_int_t number_of(const char *text)
{
	json_int_t number = 0;

	for (; *text >= '0' && *text <= '9' && number <= UINT16_MAX; text++)
		number = number * 10 + (*text - '0');
	return *text ? 0 : number;
}

/* Returns 0 for what is no port number. */
static uint16_t port_number(const json_t *value)
{
	json_int_t number = json_is_string(value) ? number_of(json_string_value(value))
						  : json_integer_value(value);

	return number >= 1 && number <= UINT16_MAX ? (uint16_t)number : 0;
}

static int decode_ports(struct decode_reader *reader, const struct field *container,
			struct pod_container *ret)
{
	struct field ports = field_member(reader, container, "ports", FIELD_ARRAY, DROPS_PART);

	for (size_t i = 0; i < field_len(&ports); i++) {
		struct field port = field_element(reader, &ports, i, FIELD_OBJECT);
		struct pod_port declared = {
			.port = port_number(json_object_get(port.value, "containerPort")),
			.proto = proto_of(&port)};

		if (declared.port && vec_push(&ret->ports, declared))
			return -ENOMEM;
	}
	return 0;
}

/* A name is that of a port of the same container; if there is none, it may be a number. */
static uint16_t resolve_port(const struct field *container, const json_t *port)
{
	const json_t *ports = json_object_get(container->value, "ports"), *element;
	size_t i;

	if (!json_is_string(port))
		return port_number(port);
	json_array_foreach(ports, i, element) {
		const char *name = json_string_value(json_object_get(element, "name"));

		if (name && !strcmp(name, json_string_value(port)))
			return port_number(json_object_get(element, "containerPort"));
	}
	return port_number(port);
}

/* The port of an action, if it is one that can be reached: no host is named. */
static bool take_port(struct decode_reader *reader, const struct field *container,
		      const struct field *action, struct probe_spec *probe)
{
	struct field host = field_member(reader, action, "host", FIELD_STRING, DROPS_PART);
	const char *text = field_string(&host);

	if (text && *text)
		return false;
	probe->port = resolve_port(container, json_object_get(action->value, "port"));
	if (!probe->port)
		field_problem(reader, action, DROPS_PART, "has no port that its container has");
	probe_spec_give(probe, PROBE_FIELD_PORT);
	return probe->port;
}

static void set_kind(struct probe_spec *probe, enum probe_kind kind)
{
	probe->kind = kind;
	probe_spec_give(probe, PROBE_FIELD_KIND);
}

/*
 * A path need not begin with a slash; what can not be in a URL is escaped, and a fragment is not sent
 * (RFC 3986, 2.1 and 3.5).
 */
static bool take_path(const char *text, struct probe_spec *probe)
{
	size_t used = 0;

	if (*text != '/')
		probe->path[used++] = '/';
	for (; *text && *text != '#' && used + 4 < sizeof(probe->path); text++) {
		unsigned char c = (unsigned char)*text;

		if (c > ' ' && c <= '~')
			probe->path[used++] = (char)c;
		else
			used += (size_t)snprintf(probe->path + used, 4, "%%%02X", c);
	}
	probe->path[used] = 0;
	probe_spec_give(probe, PROBE_FIELD_PATH);
	return !*text || *text == '#';
}

/* A Host that is more than a name goes out as it is, and TLS is told none. */
static bool take_header(const char *name, const char *value, struct probe_spec *probe)
{
	const char *unused;
	uint16_t given = probe->given;

	if (strcasecmp(name, "Host") != 0)
		return !probe_spec_add_header(probe, name, value);
	if (!*value)
		return true;
	if (probe_spec_set(probe, "swerve.dev/probe-host", value, &unused) == 1)
		return true;
	probe->given = given;
	return !probe_spec_add_header(probe, name, value);
}

static bool take_headers(struct decode_reader *reader, const struct field *action,
			 struct probe_spec *probe)
{
	struct field headers = field_member(reader, action, "httpHeaders", FIELD_ARRAY, DROPS_PART);

	for (size_t i = 0; i < field_len(&headers); i++) {
		struct field header = field_element(reader, &headers, i, FIELD_OBJECT);
		const char *name = json_string_value(json_object_get(header.value, "name"));
		const char *value = json_string_value(json_object_get(header.value, "value"));

		if (name && take_header(name, value ? value : "", probe))
			continue;
		field_problem(reader, &headers, DROPS_PART,
			      "can not be sent (at most %d bytes in all, no control characters): "
			      "the probe is not used",
			      PROBE_HEADERS_SIZE - 1);
		return false;
	}
	return true;
}

static bool take_http(struct decode_reader *reader, const struct field *container,
		      const struct field *action, struct probe_spec *probe)
{
	struct field scheme = field_member(reader, action, "scheme", FIELD_STRING, DROPS_PART);
	struct field path = field_member(reader, action, "path", FIELD_STRING, DROPS_PART);
	const char *scheme_text = field_string(&scheme), *path_text = field_string(&path);

	set_kind(probe,
		 scheme_text && !strcasecmp(scheme_text, "HTTPS") ? PROBE_HTTPS : PROBE_HTTP);
	if (!take_path(path_text ? path_text : "/", probe)) {
		field_problem(reader, &path, DROPS_PART,
			      "is longer than %d bytes: the probe is not used",
			      PROBE_PATH_SIZE - 1);
		return false;
	}
	return take_port(reader, container, action, probe) && take_headers(reader, action, probe);
}

static bool take_grpc(struct decode_reader *reader, const struct field *container,
		      const struct field *action, struct probe_spec *probe)
{
	struct field service = field_member(reader, action, "service", FIELD_STRING, DROPS_PART);
	const char *text = field_string(&service), *expected;

	set_kind(probe, PROBE_GRPC);
	if (text && probe_spec_set(probe, "swerve.dev/probe-grpc-service", text, &expected) < 0) {
		field_problem(reader, &service, DROPS_PART, "is not %s: the probe is not used",
			      expected);
		return false;
	}
	return take_port(reader, container, action, probe);
}

static bool take_tcp(struct decode_reader *reader, const struct field *container,
		     const struct field *action, struct probe_spec *probe)
{
	set_kind(probe, PROBE_TCP);
	return take_port(reader, container, action, probe);
}

/* Thresholds and periods are the kubelet's own; the time-out is what the pod is allowed to take. */
static void take_timeout(struct decode_reader *reader, const struct field *readiness,
			 struct probe_spec *probe)
{
	struct field field =
		field_member(reader, readiness, "timeoutSeconds", FIELD_INTEGER, DROPS_PART);
	json_int_t seconds = json_integer_value(field.value);

	if (seconds < 1)
		seconds = 1;
	probe->timeout = (uint64_t)(seconds > TIMEOUT_MAX ? TIMEOUT_MAX : seconds) * NSEC_PER_SEC;
	probe_spec_give(probe, PROBE_FIELD_TIMEOUT);
}

static bool take_probe(struct decode_reader *reader, const struct field *container,
		       struct probe_spec *probe)
{
	static const struct {
		const char *action;
		bool (*take)(struct decode_reader *reader, const struct field *container,
			     const struct field *action, struct probe_spec *probe);
	} actions[] = {{"httpGet", take_http}, {"tcpSocket", take_tcp}, {"grpc", take_grpc}};
	struct field readiness =
		field_member(reader, container, "readinessProbe", FIELD_OBJECT, DROPS_PART);

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		struct field action = field_member(reader, &readiness, actions[i].action,
						   FIELD_OBJECT, DROPS_PART);

		if (!action.value)
			continue;
		take_timeout(reader, &readiness, probe);
		return actions[i].take(reader, container, &action, probe);
	}
	return false;
}

static int decode_container(struct decode_reader *reader, const struct field *field,
			    struct pod *pod)
{
	struct pod_container container = {.probe = PROBE_SPEC_DEFAULT};
	int r = decode_ports(reader, field, &container);

	container.has_probe = take_probe(reader, field, &container.probe);
	if (!r)
		r = vec_push(&pod->containers, container);
	if (r)
		vec_done(&container.ports);
	return r;
}

static bool is_sidecar(const struct field *container)
{
	const char *policy = json_string_value(json_object_get(container->value, "restartPolicy"));

	return policy && !strcmp(policy, "Always");
}

/* Of the init containers only those go on that are sidecars. */
static int decode_containers(struct decode_reader *reader, const struct field *spec,
			     const char *key, bool only_sidecars, struct pod *pod)
{
	struct field containers = field_member(reader, spec, key, FIELD_ARRAY, DROPS_PART);
	int r = 0;

	for (size_t i = 0; !r && i < field_len(&containers); i++) {
		struct field container = field_element(reader, &containers, i, FIELD_OBJECT);

		if (container.value && (!only_sidecars || is_sidecar(&container)))
			r = decode_container(reader, &container, pod);
	}
	return r;
}

int decode_pod(struct decode_reader *reader, const struct field *root, struct pod **ret)
{
	_cleanup_(pod_cleanup) struct pod *pod = calloc(1, sizeof(*pod));
	struct field metadata = field_member(reader, root, "metadata", FIELD_OBJECT, DROPS_OBJECT);
	struct field uid = field_member(reader, &metadata, "uid", FIELD_STRING, DROPS_PART);
	struct field spec = field_member(reader, root, "spec", FIELD_OBJECT, DROPS_OBJECT);
	int r;

	if (!pod)
		return -ENOMEM;
	pod->namespace = strdup(reader->namespace);
	pod->name = strdup(reader->name);
	pod->uid = strdup(uid.value ? field_string(&uid) : "");
	if (!pod->namespace || !pod->name || !pod->uid)
		return -ENOMEM;
	r = decode_containers(reader, &spec, "containers", false, pod);
	if (!r)
		r = decode_containers(reader, &spec, "initContainers", true, pod);
	if (r)
		return r;
	*ret = TAKE_PTR(pod);
	return 0;
}

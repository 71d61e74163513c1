/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "model/service.h"
#include "source/decode_object.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const char annotation_prefix[] = "swerve.dev/";

/* Of session affinity, in seconds. */
enum { AFFINITY_DEFAULT = 10800, AFFINITY_MAX = 86400 };

/* Which port numbers a Service has used already, one bit each, by protocol. */
struct seen_ports {
	uint8_t bits[3][(UINT16_MAX + 1) / 8];
};

static void service_cleanup(struct service **service)
{
	service_free(*service);
}

/* Kubernetes allows one per family. */
static bool has_family_of(const struct service *service, const struct addr *addr)
{
	vec_foreach(&service->cluster_ips, other) {
		if (addr_is_v4(other) == addr_is_v4(addr))
			return true;
	}
	return false;
}

static int decode_cluster_ip(struct decode_reader *reader, const struct field *field,
			     struct service *service)
{
	const char *text = field_string(field);
	struct addr addr;

	if (text && (!*text || strcmp(text, "None") == 0))
		return 0;
	if (!field_address(reader, field, &addr))
		return 0;
	if (has_family_of(service, &addr)) {
		field_problem(reader, field, DROPS_PART, "is a second address of the same family");
		return 0;
	}
	return vec_push(&service->cluster_ips, addr);
}

/* clusterIPs came with dual stack (1.20); before, and in files made by hand, clusterIP is alone. */
static int decode_cluster_ips(struct decode_reader *reader, const struct field *spec,
			      struct service *service)
{
	struct field type = field_member(reader, spec, "type", FIELD_STRING, DROPS_OBJECT);
	struct field ips = field_member(reader, spec, "clusterIPs", FIELD_ARRAY, DROPS_OBJECT);
	struct field ip = field_member(reader, spec, "clusterIP", FIELD_STRING, DROPS_OBJECT);
	size_t before = reader->problems;
	size_t len = field_len(&ips);

	if (type.value && strcmp(field_string(&type), "ExternalName") == 0)
		return 0;
	if (len == 0) {
		int r = ip.value ? decode_cluster_ip(reader, &ip, service) : 0;

		field_check_left(reader, &ip, service->cluster_ips.len, before);
		return r;
	}
	for (size_t i = 0; i < len; i++) {
		struct field element = field_element(reader, &ips, i, FIELD_STRING);
		int r = decode_cluster_ip(reader, &element, service);

		if (r < 0)
			return r;
	}
	field_check_left(reader, &ips, service->cluster_ips.len, before);
	return 0;
}

/* A list of addresses; of those that are there twice, one. */
static int push_address(struct decode_reader *reader, const struct field *field,
			struct addr **items, size_t *len, size_t *cap)
{
	struct addr addr, *room;

	if (!field_address(reader, field, &addr))
		return 0;
	for (size_t i = 0; i < *len; i++) {
		if (addr_equal(&(*items)[i], &addr))
			return 0;
	}
	room = vec_room(*items, cap, *len, sizeof(addr));
	if (!room)
		return -ENOMEM;
	*items = room;
	room[(*len)++] = addr;
	return 0;
}

static int decode_external_ips(struct decode_reader *reader, const struct field *spec,
			       struct service *service)
{
	struct field ips = field_member(reader, spec, "externalIPs", FIELD_ARRAY, DROPS_PART);
	size_t len = field_len(&ips);

	for (size_t i = 0; i < len; i++) {
		struct field element = field_element(reader, &ips, i, FIELD_STRING);
		int r = push_address(reader, &element, &service->external_ips.items,
				     &service->external_ips.len, &service->external_ips.cap);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Where a load balancer sends packets to its own address on unchanged (ipMode VIP), the address is
 * the Service's on every node. A proxy has to see the connection.
 */
static bool is_vip(struct decode_reader *reader, const struct field *ingress)
{
	struct field mode = field_member(reader, ingress, "ipMode", FIELD_STRING, DROPS_PART);

	return !mode.wrong && (!mode.value || strcmp(field_string(&mode), "VIP") == 0);
}

static int decode_balancer_ips(struct decode_reader *reader, const struct field *root,
			       struct service *service)
{
	struct field status = field_member(reader, root, "status", FIELD_OBJECT, DROPS_PART);
	struct field balancer =
		field_member(reader, &status, "loadBalancer", FIELD_OBJECT, DROPS_PART);
	struct field list = field_member(reader, &balancer, "ingress", FIELD_ARRAY, DROPS_PART);
	size_t len = field_len(&list);

	for (size_t i = 0; i < len; i++) {
		struct field ingress = field_element(reader, &list, i, FIELD_OBJECT);
		struct field ip = field_member(reader, &ingress, "ip", FIELD_STRING, DROPS_PART);
		int r;

		/* Some have a host name instead. */
		if (!ip.value || !*field_string(&ip) || !is_vip(reader, &ingress))
			continue;
		r = push_address(reader, &ip, &service->balancer_ips.items,
				 &service->balancer_ips.len, &service->balancer_ips.cap);
		if (r < 0)
			return r;
	}
	return 0;
}

/* As the API server and kube-proxy do, blanks around a range are overlooked. */
static int decode_source_range(struct decode_reader *reader, const struct field *field,
			       struct service *service)
{
	static const char blanks[] = " \t\r\n";
	const char *text = field_string(field);
	struct addr_range range;
	char trimmed[64];
	size_t len;

	if (field->wrong || !text)
		return 0;
	text += strspn(text, blanks);
	len = strlen(text);
	while (len && strchr(blanks, text[len - 1]))
		len--;
	snprintf(trimmed, sizeof(trimmed), "%.*s", (int)len, text);
	if (len >= sizeof(trimmed) || addr_range_from_str(trimmed, &range) < 0) {
		field_problem(reader, field, DROPS_PART, "is not a range of addresses (CIDR)");
		return 0;
	}
	return vec_push(&service->source_ranges, range);
}

static int decode_source_ranges(struct decode_reader *reader, const struct field *spec,
				struct service *service)
{
	struct field ranges =
		field_member(reader, spec, "loadBalancerSourceRanges", FIELD_ARRAY, DROPS_OBJECT);
	size_t before = reader->problems;
	size_t len = field_len(&ranges);

	for (size_t i = 0; i < len; i++) {
		struct field element = field_element(reader, &ranges, i, FIELD_STRING);
		int r = decode_source_range(reader, &element, service);

		if (r < 0)
			return r;
	}
	/* Without any of its ranges the address would be open to all. */
	field_check_left(reader, &ranges, service->source_ranges.len, before);
	return 0;
}

/* A port number that may be missing; 0 then, and after a problem. */
static uint16_t decode_optional_port(struct decode_reader *reader, const struct field *parent,
				     const char *key)
{
	struct field field = field_member(reader, parent, key, FIELD_INTEGER, DROPS_PART);
	json_int_t number = json_integer_value(field.value);

	if (number >= 0 && number <= UINT16_MAX)
		return (uint16_t)number;
	field_problem(reader, &field, DROPS_PART, "is not a port number (1 to 65535)");
	return 0;
}

static uint8_t *seen_byte(struct seen_ports *seen, uint16_t port, uint8_t proto)
{
	size_t row = proto == IPPROTO_TCP ? 0 : proto == IPPROTO_UDP ? 1 : 2;

	return &seen->bits[row][port / 8];
}

static int decode_service_port(struct decode_reader *reader, const struct field *field,
			       struct seen_ports *seen, struct service *service)
{
	_cleanup_free_ char *name = NULL;
	struct field_port values;
	struct service_port port;
	struct field number;
	uint8_t *byte;
	uint8_t bit;

	if (field->wrong || !field_port(reader, field, true, &values))
		return 0;
	byte = seen_byte(seen, values.port, values.proto);
	bit = (uint8_t)(1U << values.port % 8);
	if (*byte & bit) {
		number = field_member(reader, field, "port", FIELD_INTEGER, DROPS_PART);
		field_problem(reader, &number, DROPS_PART,
			      "is the number of another port of the same protocol");
		return 0;
	}
	name = strdup(values.name);
	port = (struct service_port){
		.name = name,
		.port = values.port,
		.proto = values.proto,
		.node_port = decode_optional_port(reader, field, "nodePort"),
	};
	if (!name || vec_push(&service->ports, port) < 0)
		return -ENOMEM;
	TAKE_PTR(name);
	*byte |= bit;
	return 0;
}

static int decode_service_ports(struct decode_reader *reader, const struct field *spec,
				struct service *service)
{
	struct field ports = field_member(reader, spec, "ports", FIELD_ARRAY, DROPS_OBJECT);
	struct seen_ports seen = {};
	size_t before = reader->problems;
	size_t len = field_len(&ports);

	for (size_t i = 0; i < len; i++) {
		struct field element = field_element(reader, &ports, i, FIELD_OBJECT);
		int r = decode_service_port(reader, &element, &seen, service);

		if (r < 0)
			return r;
	}
	field_check_left(reader, &ports, service->ports.len, before);
	return 0;
}

static enum traffic_policy decode_policy(struct decode_reader *reader, const struct field *spec,
					 const char *key)
{
	struct field policy = field_member(reader, spec, key, FIELD_STRING, DROPS_PART);
	const char *text = field_string(&policy);

	if (!text || strcmp(text, "Cluster") == 0)
		return POLICY_CLUSTER;
	if (strcmp(text, "Local") == 0)
		return POLICY_LOCAL;
	field_problem(reader, &policy, DROPS_PART, "is not Cluster or Local");
	return POLICY_CLUSTER;
}

/* The API server's rules (ValidateService): 1 s to a day, three hours unless said otherwise. */
static uint32_t decode_affinity_timeout(struct decode_reader *reader, const struct field *spec)
{
	struct field config =
		field_member(reader, spec, "sessionAffinityConfig", FIELD_OBJECT, DROPS_PART);
	struct field client = field_member(reader, &config, "clientIP", FIELD_OBJECT, DROPS_PART);
	struct field timeout =
		field_member(reader, &client, "timeoutSeconds", FIELD_INTEGER, DROPS_PART);
	json_int_t seconds = timeout.value ? json_integer_value(timeout.value) : AFFINITY_DEFAULT;

	if (seconds >= 1 && seconds <= AFFINITY_MAX)
		return (uint32_t)seconds;
	field_problem(reader, &timeout, DROPS_PART, "is not from 1 to 86400");
	return AFFINITY_DEFAULT;
}

static void decode_affinity(struct decode_reader *reader, const struct field *spec,
			    struct service *service)
{
	struct field affinity =
		field_member(reader, spec, "sessionAffinity", FIELD_STRING, DROPS_PART);
	const char *text = field_string(&affinity);

	if (!text || strcmp(text, "None") == 0)
		return;
	if (strcmp(text, "ClientIP") == 0)
		service->affinity_timeout = decode_affinity_timeout(reader, spec);
	else
		field_problem(reader, &affinity, DROPS_PART, "is not ClientIP or None");
}

static void decode_annotation(struct decode_reader *reader, const struct field *annotations,
			      const char *key, struct service *service)
{
	struct field field = field_member(reader, annotations, key, FIELD_STRING, DROPS_PART);
	const char *expected;
	int r;

	if (!field.value)
		return;
	r = probe_spec_set(&service->probe, key, field_string(&field), &expected);
	if (r == 0)
		r = conn_policy_set(&service->conns, key, field_string(&field), &expected);
	if (r == 0)
		r = steer_policy_set(&service->steer, key, field_string(&field), &expected);
	if (r == 0)
		r = retry_policy_set(&service->retry, key, field_string(&field), &expected);
	if (r < 0)
		field_problem(reader, &field, DROPS_PART, "is not %s", expected);
	else if (r == 0)
		field_problem(reader, &field, DROPS_PART, "is for an unknown annotation");
}

static void decode_probe(struct decode_reader *reader, const struct field *root,
			 struct service *service)
{
	struct field metadata;
	struct field annotations = decode_metadata(reader, root, "annotations", &metadata);
	const char *key;
	json_t *value;

	service->probe = PROBE_SPEC_DEFAULT;
	service->conns = CONN_POLICY_DEFAULT;
	service->steer = STEER_POLICY_DEFAULT;
	service->retry = RETRY_POLICY_DEFAULT;
	json_object_foreach(annotations.value, key, value) {
		if (strncmp(key, annotation_prefix, sizeof(annotation_prefix) - 1) == 0)
			decode_annotation(reader, &annotations, key, service);
	}
}

/* Answered only for load balancers that must not send to nodes without endpoints. */
static uint16_t decode_health_check_port(struct decode_reader *reader, const struct field *spec,
					 const struct service *service)
{
	struct field type = field_member(reader, spec, "type", FIELD_STRING, DROPS_OBJECT);
	uint16_t port = decode_optional_port(reader, spec, "healthCheckNodePort");

	if (!type.value || strcmp(field_string(&type), "LoadBalancer") != 0)
		return 0;
	return service->external_policy == POLICY_LOCAL ? port : 0;
}

static int decode_spec(struct decode_reader *reader, const struct field *root,
		       struct service *service)
{
	struct field spec = field_member(reader, root, "spec", FIELD_OBJECT, DROPS_OBJECT);
	int r;

	if (!spec.value) {
		if (!spec.wrong)
			field_missing(reader, &spec, DROPS_OBJECT);
		return 0;
	}
	service->internal_policy = decode_policy(reader, &spec, "internalTrafficPolicy");
	service->external_policy = decode_policy(reader, &spec, "externalTrafficPolicy");
	service->health_check_port = decode_health_check_port(reader, &spec, service);
	decode_affinity(reader, &spec, service);
	r = decode_cluster_ips(reader, &spec, service);
	if (r == 0)
		r = decode_external_ips(reader, &spec, service);
	if (r == 0)
		r = decode_balancer_ips(reader, root, service);
	if (r == 0)
		r = decode_source_ranges(reader, &spec, service);
	return r < 0 ? r : decode_service_ports(reader, &spec, service);
}

static bool is_ours(struct decode_reader *reader, const struct field *root)
{
	struct field metadata;
	struct field labels = decode_metadata(reader, root, "labels", &metadata);
	json_t *proxy = json_object_get(labels.value, "service.kubernetes.io/service-proxy-name");
	const char *ours = reader->events->proxy_name;

	if (json_object_get(labels.value, "service.kubernetes.io/headless"))
		return false;
	if (!ours)
		return !proxy;
	return json_is_string(proxy) && strcmp(json_string_value(proxy), ours) == 0;
}

int decode_service(struct decode_reader *reader, const struct field *root, struct service **ret)
{
	_cleanup_(service_cleanup) struct service *service = NULL;
	struct field metadata = field_member(reader, root, "metadata", FIELD_OBJECT, DROPS_OBJECT);
	struct field uid = field_member(reader, &metadata, "uid", FIELD_STRING, DROPS_PART);
	int r;

	*ret = NULL;
	if (!is_ours(reader, root))
		return 0;
	service = calloc(1, sizeof(*service));
	if (!service)
		return -ENOMEM;
	service->namespace = strdup(reader->namespace);
	service->name = strdup(reader->name);
	service->uid = strdup(uid.value ? field_string(&uid) : "");
	if (!service->namespace || !service->name || !service->uid)
		return -ENOMEM;
	decode_probe(reader, root, service);
	r = decode_spec(reader, root, service);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(service);
	return 0;
}

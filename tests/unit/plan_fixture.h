/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services and their endpoints in words, for the tests of the plan. Included after cmocka.
 *   ips    "10.96.0.1 fd00::1"
 *   ports  "http:80/tcp+30080 :53/udp" (+: NodePort), among them what else the spec says: iLocal and
 *          eLocal (traffic policies), external=ADDRESS, balancer=ADDRESS, range=CIDR (of sources)
 *   groups "=http:8080/tcp 10.0.0.1/rs@n1 10.0.0.2/st | ..." one group between bars
 */
#pragma once

#include "base/cleanup.h"
#include "model/endpoint.h"
#include "model/model.h"
#include "model/node.h"
#include "model/node_ports.h"
#include "model/plan.h"
#include "model/service.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct node_ports everywhere;

static inline void *must(void *p)
{
	assert_non_null(p);
	return p;
}

static inline struct addr parse_addr(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_from_str(text, &addr), 0);
	return addr;
}

/* "name:80/tcp", or for a Service "name:80/tcp+30080"; *ret_name is the caller's. */
static inline void parse_port(char *word, char **ret_name, uint16_t *ret_port, uint8_t *ret_proto)
{
	char *colon = must(strchr(word, ':'));
	char *slash = must(strchr(colon, '/'));
	unsigned int port;

	*colon = 0;
	assert_int_equal(sscanf(colon + 1, "%u", &port), 1);
	*ret_name = must(strdup(word));
	*ret_port = (uint16_t)port;
	*ret_proto = IPPROTO_TCP;
	if (strcmp(slash, "/udp") == 0)
		*ret_proto = IPPROTO_UDP;
	if (strcmp(slash, "/sctp") == 0)
		*ret_proto = IPPROTO_SCTP;
}

/* Cuts the word at the character and returns what follows; NULL if it is not there. */
static inline char *cut(char *word, char at)
{
	char *place = strchr(word, at);

	if (!place)
		return NULL;
	*place = 0;
	return place + 1;
}

#define parse_hints(names, hints)                                                          \
	do {                                                                               \
		char *save_;                                                               \
		for (char *name_ = strtok_r(names, ",", &save_); name_;                    \
		     name_ = strtok_r(NULL, ",", &save_))                                  \
			assert_int_equal(vec_push(hints, (char *)must(strdup(name_))), 0); \
	} while (0)

/* "10.0.0.1/rst@node%zone,zone^node": ready, serving, terminating; where it is; hints */
static inline struct endpoint parse_endpoint(char *word)
{
	char *nodes = cut(word, '^');
	char *zones = cut(word, '%');
	char *at = strchr(word, '@');
	char *slash = must(strchr(word, '/'));
	struct endpoint endpoint = {};

	if (at)
		*at = 0;
	*slash = 0;
	endpoint.addr = parse_addr(word);
	endpoint.ready = strchr(slash + 1, 'r') != NULL;
	endpoint.serving = strchr(slash + 1, 's') != NULL;
	endpoint.terminating = strchr(slash + 1, 't') != NULL;
	if (zones)
		parse_hints(zones, &endpoint.zone_hints);
	if (nodes)
		parse_hints(nodes, &endpoint.node_hints);
	endpoint.node_name = must(strdup(at ? at + 1 : ""));
	endpoint.uid = must(strdup(word));
	assert_true(asprintf(&endpoint.target, "a/pod-%s", word) > 0);
	return endpoint;
}

static inline void put(struct model *model, enum object_kind kind, void *value)
{
	struct object object = {.kind = kind, .service = value};

	assert_int_equal(model_put(model, &object), 0);
}

static inline struct addr_range parse_range(const char *text)
{
	struct addr_range range;

	assert_int_equal(addr_range_from_str(text, &range), 0);
	return range;
}

static inline bool parse_setting(struct service *service, const char *word)
{
	if (strcmp(word, "iLocal") == 0)
		service->internal_policy = POLICY_LOCAL;
	else if (strcmp(word, "eLocal") == 0)
		service->external_policy = POLICY_LOCAL;
	else if (strncmp(word, "external=", 9) == 0)
		assert_int_equal(vec_push(&service->external_ips, parse_addr(word + 9)), 0);
	else if (strncmp(word, "balancer=", 9) == 0)
		assert_int_equal(vec_push(&service->balancer_ips, parse_addr(word + 9)), 0);
	else if (strncmp(word, "range=", 6) == 0)
		assert_int_equal(vec_push(&service->source_ranges, parse_range(word + 6)), 0);
	else
		return false;
	return true;
}

static inline struct service *make_service(const char *ips, const char *ports)
{
	struct service *service = must(calloc(1, sizeof(*service)));
	_cleanup_free_ char *ips_copy = must(strdup(ips));
	_cleanup_free_ char *ports_copy = must(strdup(ports));
	char *save;

	service->namespace = must(strdup("a"));
	service->name = must(strdup("web"));
	service->uid = must(strdup(""));
	service->probe = PROBE_SPEC_DEFAULT;
	service->probe.rise = 7;
	service->affinity_timeout = 60;
	for (char *word = strtok_r(ips_copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		assert_int_equal(vec_push(&service->cluster_ips, parse_addr(word)), 0);
	for (char *word = strtok_r(ports_copy, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		struct service_port port = {};
		char *node_port;

		if (parse_setting(service, word))
			continue;
		node_port = cut(word, '+');
		if (node_port)
			assert_int_equal(sscanf(node_port, "%hu", &port.node_port), 1);
		parse_port(word, &port.name, &port.port, &port.proto);
		assert_int_equal(vec_push(&service->ports, port), 0);
	}
	return service;
}

static inline struct endpoint_group *make_group(const char *name, char *words)
{
	struct endpoint_group *group = must(calloc(1, sizeof(*group)));
	struct endpoint_subset subset = {};
	char *save;

	group->namespace = must(strdup("a"));
	group->name = must(strdup(name));
	group->service = must(strdup("web"));
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		struct endpoint_port port;

		if (*word != '=') {
			assert_int_equal(vec_push(&subset.endpoints, parse_endpoint(word)), 0);
			continue;
		}
		parse_port(word + 1, &port.name, &port.port, &port.proto);
		assert_int_equal(vec_push(&subset.ports, port), 0);
	}
	assert_int_equal(vec_push(&group->subsets, subset), 0);
	return group;
}

/* Puts the groups of the Service into the model. */
static inline void put_groups(struct model *model, const char *text)
{
	_cleanup_free_ char *groups = must(strdup(text));
	char *save;
	int number = 0;

	for (char *words = strtok_r(groups, "|", &save); words;
	     words = strtok_r(NULL, "|", &save)) {
		char name[32];

		snprintf(name, sizeof(name), "slice-%d", number++);
		put(model, OBJECT_SLICE, make_group(name, words));
	}
}

/* One slice, of which the endpoints need only their last part: "1/rs@n1 2/st" for 10.0.0.1 … */
static inline void put_endpoints(struct model *model, const char *endpoints)
{
	_cleanup_free_ char *copy = must(strdup(endpoints));
	_cleanup_free_ char *text = NULL;
	char *save;
	size_t size;
	FILE *out = must(open_memstream(&text, &size));

	fputs("=:80/tcp", out);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		fprintf(out, " 10.0.0.%s", word);
	fclose(out);
	put_groups(model, text);
}

static inline struct node *make_node(const char *name, const char *zone, const char *addrs)
{
	struct node *node = must(calloc(1, sizeof(*node)));
	_cleanup_free_ char *copy = must(strdup(addrs));
	char *save;

	node->name = must(strdup(name));
	node->zone = must(strdup(zone));
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		assert_int_equal(vec_push(&node->addresses, parse_addr(word)), 0);
	return node;
}

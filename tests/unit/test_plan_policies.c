/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which endpoints a socket of this node (n1) reaches through which destination of a Service: the
 * matrix of TestInternalExternalMasquerade, and what holds without endpoints, from
 * TestTerminatingEndpointsTrafficPolicyLocal and -Cluster (pkg/proxy/nftables/proxier_test.go,
 * Kubernetes 1.36). The node n2 has the address 192.0.2.2, n3 has 192.0.2.3.
 *
 * An expectation is the last parts of the addresses of endpoints; "refuse": none anywhere, kube-proxy
 * rejects; "elsewhere": none for this policy, kube-proxy drops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_fixture.h"

#define SERVICE ":80/tcp+30080 external=198.51.100.1 balancer=203.0.113.1"

/* One local endpoint and one remote. */
#define BOTH "1/rs@n1 2/rs@n2"

struct row {
	const char *what;
	const char *policies;
	const char *endpoints;
	const char *cluster_ip;
	const char *this_node; /* NodePort */
	const char *balancer;  /* and external IP */
	const char *n2;        /* NodePort of that node */
	const char *n3;
};

/* clang-format off */
static const struct row rows[] = {
	{"default", "", BOTH, "1 2", "1 2", "1 2", "1 2", "1 2"},
	{"eTP Local", "eLocal", BOTH, "1 2", "1 2", "1 2", "2", "elsewhere"},
	{"iTP Local", "iLocal", BOTH, "1", "1 2", "1 2", "1 2", "1 2"},
	{"both Local", "iLocal eLocal", BOTH, "1", "1 2", "1 2", "2", "elsewhere"},

	{"no endpoint", "", "", "refuse", "refuse", "refuse", "refuse", "refuse"},
	{"no endpoint, both Local", "iLocal eLocal", "", "refuse", "refuse", "refuse", "refuse",
	 "refuse"},
	{"none is ready", "", "1/@n1 2/@n2", "refuse", "refuse", "refuse", "refuse", "refuse"},
	{"iTP Local, none local", "iLocal", "2/rs@n2 3/rs@n3", "elsewhere", "2 3", "2 3", "2 3",
	 "2 3"},
	{"iTP Local, none local, others terminate", "iLocal", "2/st@n2", "elsewhere", "2", "2",
	 "2", "2"},
	{"eTP Local, none on n2 or n3", "eLocal", "1/rs@n1", "1", "1", "1", "elsewhere",
	 "elsewhere"},

	{"iTP Local, the local one terminates", "iLocal", "1/st@n1 2/rs@n2", "1", "2", "2", "2",
	 "2"},
	{"iTP Local, the local one terminates and does not serve", "iLocal", "1/t@n1 2/rs@n2",
	 "elsewhere", "2", "2", "2", "2"},
	{"eTP Local, the one of n2 terminates", "eLocal", "1/rs@n1 2/st@n2", "1", "1", "1", "2",
	 "elsewhere"},
	{"eTP Local, the one of n2 terminates beside a ready one", "eLocal",
	 "1/st@n2 2/rs@n2 3/rs@n3", "2 3", "2 3", "2 3", "2", "3"},
	{"all terminate", "", "1/st@n1 2/st@n2", "1 2", "1 2", "1 2", "1 2", "1 2"},
	{"all terminate, both Local", "iLocal eLocal", "1/st@n1 2/st@n2", "1", "1 2", "1 2", "2",
	 "elsewhere"},
	{"publishNotReadyAddresses: terminating and not ready", "", "1/rt@n1", "1", "1", "1", "1",
	 "1"},

	{"an endpoint of no node", "iLocal eLocal", "1/rs 2/rs@n2", "elsewhere", "1 2", "1 2", "2",
	 "elsewhere"},
	{"an endpoint of a node without a Node object", "eLocal", "1/rs@n9", "1", "1", "1",
	 "elsewhere", "elsewhere"},
};
/* clang-format on */

static void plan_row(const struct row *row, struct plan *ret)
{
	_cleanup_free_ char *spec = NULL;
	struct model *model;

	assert_true(asprintf(&spec, "%s %s", row->policies, SERVICE) > 0);
	assert_int_equal(model_new("n1", &everywhere, &model), 0);
	put(model, OBJECT_SERVICE, make_service("10.96.0.1", spec));
	put_endpoints(model, row->endpoints);
	put(model, OBJECT_NODE, make_node("n1", "", "192.0.2.1"));
	put(model, OBJECT_NODE, make_node("n2", "", "192.0.2.2 fd00::2"));
	put(model, OBJECT_NODE, make_node("n3", "", "192.0.2.3"));
	assert_int_equal(plan_service(model, "a", "web", ret), 0);
	model_free(model);
}

static const struct plan_frontend *find(const struct plan_port *port, enum plan_scope scope,
					const char *addr)
{
	vec_foreach(&port->frontends, frontend) {
		char text[ADDR_STR_SIZE];

		if (frontend->scope == scope &&
		    strcmp(addr_to_str(&frontend->addr, text), addr) == 0)
			return frontend;
	}
	return NULL;
}

/* As the kernel does it for an address of another node: its own NodePort, then that of all. */
static const struct plan_frontend *find_node(const struct plan_port *port, const char *addr)
{
	const struct plan_frontend *exact = find(port, PLAN_AT_OTHER_NODES, addr);

	return exact ? exact : find(port, PLAN_AT_OTHER_NODES, "0.0.0.0");
}

static void check(const struct row *row, const char *where, const struct plan_port *port,
		  const struct plan_frontend *frontend, const char *expected)
{
	const struct plan_list *list = &port->lists.items[frontend->list];
	size_t first = list->preferred ? 0 : list->ready;
	size_t end = list->preferred ? list->preferred : list->members.len;
	char text[256] = "";

	for (size_t i = first; i < end; i++) {
		const struct addr *addr = &port->endpoints.items[list->members.items[i]].addr;
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%u", len ? " " : "", addr->bytes[15]);
	}
	if (!list->members.len)
		snprintf(text, sizeof(text), "%s", list->elsewhere ? "elsewhere" : "refuse");
	if (strcmp(text, expected) != 0)
		fail_msg("%s, %s: '%s' instead of '%s'", row->what, where, text, expected);
}

static void test_matrix(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		_cleanup_(plan_done) struct plan plan = {};
		const struct plan_port *port;

		plan_row(row, &plan);
		port = &plan.ports.items[0];
		check(row, "ClusterIP", port, find(port, PLAN_AT_ADDRESS, "10.96.0.1"),
		      row->cluster_ip);
		check(row, "own NodePort", port, find(port, PLAN_AT_THIS_NODE, "0.0.0.0"),
		      row->this_node);
		check(row, "external IP", port, find(port, PLAN_AT_ADDRESS, "198.51.100.1"),
		      row->balancer);
		check(row, "load balancer IP", port, find(port, PLAN_AT_ADDRESS, "203.0.113.1"),
		      row->balancer);
		check(row, "n2", port, find_node(port, "192.0.2.2"), row->n2);
		check(row, "n3", port, find_node(port, "192.0.2.3"), row->n3);
	}
}

static void test_claims(void **state)
{
	_cleanup_(plan_done) struct plan plan = {};
	const struct plan_port *port;

	(void)state;
	plan_row(&rows[0], &plan);
	port = &plan.ports.items[0];
	assert_int_equal(find(port, PLAN_AT_ADDRESS, "10.96.0.1")->claim, PLAN_CLAIM_CLUSTER);
	assert_int_equal(find(port, PLAN_AT_ADDRESS, "203.0.113.1")->claim, PLAN_CLAIM_BALANCER);
	assert_int_equal(find(port, PLAN_AT_ADDRESS, "198.51.100.1")->claim, PLAN_CLAIM_EXTERNAL);
	vec_foreach(&port->frontends, frontend)
		assert_int_equal(plan_claim(&plan, port->name, frontend), frontend->claim);
	assert_int_equal(plan_claim(&plan, "a/other:80/tcp", &port->frontends.items[0]),
			 PLAN_CLAIM_NONE);
}

/* A family that the Service has no ClusterIP of is not served, whatever else it says. */
static void test_families(void **state)
{
	static const char spec[] = ":80/tcp+30080 external=198.51.100.1 external=2001:db8::1";
	_cleanup_(plan_done) struct plan single = {}, dual = {};
	struct model *model;

	(void)state;
	assert_int_equal(model_new("n1", &everywhere, &model), 0);
	put(model, OBJECT_SERVICE, make_service("10.96.0.1", spec));
	assert_int_equal(plan_service(model, "a", "web", &single), 0);
	assert_int_equal(single.ports.len, 1);
	assert_null(find(&single.ports.items[0], PLAN_AT_ADDRESS, "2001:db8::1"));
	put(model, OBJECT_SERVICE, make_service("10.96.0.1 fd00::1", spec));
	assert_int_equal(plan_service(model, "a", "web", &dual), 0);
	assert_int_equal(dual.ports.len, 2);
	assert_null(find(&dual.ports.items[0], PLAN_AT_ADDRESS, "2001:db8::1"));
	assert_non_null(find(&dual.ports.items[1], PLAN_AT_ADDRESS, "2001:db8::1"));
	assert_non_null(find(&dual.ports.items[1], PLAN_AT_THIS_NODE, "::"));
	model_free(model);
}

static void test_addresses_of_other_nodes_are_filtered(void **state)
{
	struct node_ports node_ports;
	_cleanup_(plan_done) struct plan plan = {};
	struct model *model;

	(void)state;
	assert_int_equal(node_ports_parse("primary", &node_ports), 0);
	assert_int_equal(model_new("n1", &node_ports, &model), 0);
	put(model, OBJECT_SERVICE, make_service("10.96.0.1", "eLocal :80/tcp+30080"));
	put_groups(model, "=:80/tcp 10.0.0.1/rs@n2");
	put(model, OBJECT_NODE, make_node("n2", "", "192.0.2.2 203.0.113.2"));
	assert_int_equal(plan_service(model, "a", "web", &plan), 0);
	assert_non_null(find(&plan.ports.items[0], PLAN_AT_OTHER_NODES, "192.0.2.2"));
	assert_null(find(&plan.ports.items[0], PLAN_AT_OTHER_NODES, "203.0.113.2"));
	model_free(model);
	node_ports_done(&node_ports);
}

/* Only services for which it matters are planned again, and only when something has changed. */
static void test_nodes_that_change(void **state)
{
	_cleanup_free_ char *namespace = NULL, *name = NULL;
	char *none, *no_name;
	struct model *model;

	(void)state;
	assert_int_equal(model_new("n1", &everywhere, &model), 0);
	put(model, OBJECT_SERVICE, make_service("10.96.0.1", "eLocal :80/tcp+30080"));
	assert_int_equal(model_next_changed(model, &namespace, &name), 1);
	put(model, OBJECT_NODE, make_node("n2", "", "192.0.2.2"));
	assert_int_equal(model_nodes_version(model), 1);
	assert_int_equal(model_next_changed(model, &none, &no_name), 1);
	free(none);
	free(no_name);
	put(model, OBJECT_NODE, make_node("n2", "", "192.0.2.2"));
	assert_int_equal(model_next_changed(model, &none, &no_name), 0);
	assert_int_equal(model_nodes_version(model), 1);
	model_remove(model, OBJECT_NODE, "", "n2");
	assert_int_equal(model_nodes_version(model), 2);
	assert_int_equal(model_next_changed(model, &none, &no_name), 1);
	free(none);
	free(no_name);
	put(model, OBJECT_SERVICE, make_service("10.96.0.1", ":80/tcp+30080"));
	assert_int_equal(model_next_changed(model, &none, &no_name), 1);
	free(none);
	free(no_name);
	put(model, OBJECT_NODE, make_node("n2", "", "192.0.2.2"));
	assert_int_equal(model_next_changed(model, &none, &no_name), 0);
	model_free(model);
}

/* Each address once, ready, here, in the primary family; whatever else is used. */
static void test_health_check_counts(void **state)
{
	static const char endpoints[] = "1/rs@n1 1/rs@n1 2/rs@n2 3/st@n1 4/@n1 5/rs@n1 6/rs";
	struct service *service = make_service("10.96.0.1 fd00::1", "eLocal :80/tcp+30080");
	_cleanup_(plan_done) struct plan plan = {};
	struct model *model;

	(void)state;
	service->health_check_port = 31000;
	assert_int_equal(model_new("n1", &everywhere, &model), 0);
	put(model, OBJECT_SERVICE, service);
	put_endpoints(model, endpoints);
	assert_int_equal(plan_service(model, "a", "web", &plan), 0);
	assert_int_equal(plan.health_check_port, 31000);
	assert_int_equal(plan.local_ready, 2);
	model_free(model);
}

static void test_node_is_eligible(void **state)
{
	struct node *leaving = make_node("n1", "", "");
	struct model *model;

	(void)state;
	leaving->leaving = true;
	assert_int_equal(model_new("n1", &everywhere, &model), 0);
	assert_true(model_node_is_eligible(model)); /* nothing is known of it */
	put(model, OBJECT_NODE, make_node("n1", "", ""));
	assert_true(model_node_is_eligible(model));
	put(model, OBJECT_NODE, leaving);
	assert_false(model_node_is_eligible(model));
	put(model, OBJECT_NODE, make_node("n1", "", ""));
	assert_true(model_node_is_eligible(model));
	model_remove(model, OBJECT_NODE, "", "n1");
	assert_false(model_node_is_eligible(model));
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_addresses_of_other_nodes_are_filtered),
		cmocka_unit_test(test_nodes_that_change),
		cmocka_unit_test(test_health_check_counts),
		cmocka_unit_test(test_node_is_eligible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

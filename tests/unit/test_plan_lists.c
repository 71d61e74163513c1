/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which endpoints are used by whom, by kube-proxy's own cases: those of TestCategorizeEndpoints
 * (pkg/proxy/topology_test.go, Kubernetes 1.36) under their names. This node is n1; `cluster` and
 * `local` are the last parts of the addresses of endpoints, "-": the service has no such list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_fixture.h"

struct row {
	const char *name;
	const char *zone;      /* of this node */
	const char *spec;      /* traffic policies */
	const char *endpoints; /* of one slice */
	const char *cluster;   /* whom kube-proxy sends to if the policy is Cluster */
	const char *local;
	bool any; /* hasAnyEndpoints: an endpoint exists somewhere */
};

#define FOUR_ZONES "1/rs%a 2/rs%b 3/rs%c 4/rs%a"
#define TWO_LOCAL  "1/rs@n1%a 2/rs@n1%b 3/rs@n2%c 4/rs@n2%a"
#define TWO        "1/rs@n1 2/rs@n2"
#define NODE_PORT  ":80/tcp+30080"
#define INTERNAL   ":80/tcp"

/* clang-format off */
static const struct row rows[] = {
	{"all endpoints have hints, some for the zone of the node", "a", INTERNAL, FOUR_ZONES, "1 4", "-", true},
	{"externalTrafficPolicy: Local, topology ignored for Local endpoints", "a",
	 "eLocal " NODE_PORT, TWO_LOCAL, "1 4", "1 2", true},
	{"internalTrafficPolicy: Local, topology ignored for Local endpoints", "a",
	 "iLocal " NODE_PORT, TWO_LOCAL, "1 4", "1 2", true},
	{"empty node labels", NULL, INTERNAL, "1/rs%a", "1", "-", true},
	{"empty zone label", "", INTERNAL, "1/rs%a", "1", "-", true},
	{"node in different zone, no endpoint filtering", "b", INTERNAL, "1/rs%a", "1", "-", true},
	{"unready endpoint", "a", INTERNAL, "1/rs%a 2/rs%b 3/rs%c 4/%a", "1", "-", true},
	{"only unready endpoints in same zone (should not filter)", "a", INTERNAL,
	 "1/%a 2/rs%b 3/rs%c 4/%a", "2 3", "-", true},
	{"missing hints, no filtering applied", "a", INTERNAL, "1/rs%a 2/rs%b 3/rs 4/rs%a",
	 "1 2 3 4", "-", true},
	{"multiple hints per endpoint, filtering includes any endpoint with zone included", "c",
	 INTERNAL, "1/rs%a,b,c 2/rs%b,c 3/rs%b,d 4/rs%c", "1 2 4", "-", true},
	{"PreferSameNode, an endpoint is available on this node", "a", INTERNAL,
	 "1/rs@n1%a^n1 2/rs@n2%a^n2 3/rs@n3%b^n3 4/rs@n4%c^n4", "1", "-", true},
	{"PreferSameNode, hints for the node that its endpoint is not on", "a", INTERNAL,
	 "1/rs@n2%a^n1 2/rs@n3%b^n3", "1", "-", true},
	{"PreferSameNode, some endpoints unhinted: by zone", "a", INTERNAL,
	 "1/rs@n1%a^n1 2/rs@n2%a^n2 3/rs@n3%b 4/rs@n4%c^n4", "1 2", "-", true},
	{"PreferSameNode, none for this node: by zone", "a", INTERNAL,
	 "1/rs@n2%a^n2 2/rs@n3%a^n3 3/rs@n4%b^n4", "1 2", "-", true},
	{"PreferSameNode, the endpoint of this node is not ready", "a", INTERNAL,
	 "1/@n1%a^n1 2/rs@n2%a^n2 3/rs@n3%b^n3", "2", "-", true},
	{"PreferSameNode, none for node or zone", "z", INTERNAL, "1/rs@n2%a^n2 2/rs@n3%b^n3",
	 "1 2", "-", true},
	{"conflicting topology and localness require merging allEndpoints", "a",
	 "eLocal " NODE_PORT, "1/rs@n1%a 2/rs@n1%b 3/rs@n2%a 4/rs@n2%b", "1 3", "1 2", true},
	{"internalTrafficPolicy: Local, with empty endpoints", NULL, "iLocal " INTERNAL, "",
	 "-", "", false},
	{"internalTrafficPolicy: Local, but all endpoints are remote", NULL, "iLocal " INTERNAL,
	 "1/rs@n2 2/rs@n2", "-", "", true},
	{"internalTrafficPolicy: Local, all endpoints are local", NULL, "iLocal " INTERNAL,
	 "1/rs@n1 2/rs@n1", "-", "1 2", true},
	{"internalTrafficPolicy: Local, some endpoints are local", NULL, "iLocal " INTERNAL, TWO,
	 "-", "1", true},
	{"Cluster traffic policy, endpoints not Ready", NULL, INTERNAL, "1/ 2/", "", "-", false},
	{"Cluster traffic policy, some endpoints are Ready", NULL, INTERNAL, "1/ 2/r", "2", "-",
	 true},
	{"Cluster traffic policy, all endpoints are terminating", NULL, INTERNAL,
	 "1/st@n1 2/st@n2", "1 2", "-", true},
	{"iTP: Local, eTP: Cluster, some endpoints local", NULL, "iLocal " NODE_PORT, TWO,
	 "1 2", "1", true},
	{"iTP: Cluster, eTP: Local, some endpoints local", NULL, "eLocal " NODE_PORT, TWO,
	 "1 2", "1", true},
	{"iTP: Local, eTP: Local, some endpoints local", NULL, "iLocal eLocal " NODE_PORT, TWO,
	 "1 2", "1", true},
	{"iTP: Local, eTP: Local, all endpoints remote", NULL, "iLocal eLocal " NODE_PORT,
	 "1/rs@n2 2/rs@n2", "1 2", "", true},
	{"iTP: Local, eTP: Local, all endpoints remote and terminating", NULL,
	 "iLocal eLocal " NODE_PORT, "1/st@n2 2/st@n2", "1 2", "", true},
	{"iTP: Cluster, eTP: Local, with terminating endpoints", NULL, "eLocal " NODE_PORT,
	 "1/rs@n2 2/@n1 3/st@n1 4/st@n2", "1", "3", true},
	{"externalTrafficPolicy ignored if not externally accessible", NULL, "eLocal " INTERNAL,
	 "1/rs@n2 2/rs@n1", "1 2", "-", true},
	{"no cluster endpoints for iTP:Local internal-only service", NULL, "iLocal " INTERNAL,
	 "1/rs@n2 2/rs@n1", "-", "2", true},
	{"no endpoints", NULL, "eLocal " NODE_PORT, "", "", "", false},
	{"a single endpoint that is neither ready nor serving", NULL, INTERNAL, "1/@n1", "", "-",
	 false},
	{"a single endpoint that is serving, not ready", NULL, INTERNAL, "1/s@n1", "", "-", false},
	{"a single endpoint that is terminating, not serving", NULL, INTERNAL, "1/t@n1", "", "-",
	 false},
	{"terminating ones in the zone: none while another one is ready", "a", INTERNAL,
	 "1/st%a 2/rs%b", "2", "-", true},
	{"terminating ones only: no topology", "a", INTERNAL, "1/st%a 2/st%b", "1 2", "-", true},
};
/* clang-format on */

static struct model *make_model(const struct row *row)
{
	struct model *model;

	assert_int_equal(model_new("n1", &everywhere, &model), 0);
	put(model, OBJECT_SERVICE, make_service("10.96.0.1", row->spec));
	put_endpoints(model, row->endpoints);
	if (row->zone)
		put(model, OBJECT_NODE, make_node("n1", row->zone, ""));
	return model;
}

/* Whom the datapath uses while all are healthy: the preferred ones, else those that terminate. */
static char *used(const struct plan_port *port, const struct plan_list *list)
{
	size_t first = list->preferred ? 0 : list->ready;
	size_t end = list->preferred ? list->preferred : list->members.len, size;
	char *text = NULL;
	FILE *out = must(open_memstream(&text, &size));

	for (size_t i = first; i < end; i++) {
		const struct plan_endpoint *endpoint =
			&port->endpoints.items[list->members.items[i]];

		fprintf(out, "%s%u", i == first ? "" : " ", endpoint->addr.bytes[15]);
	}
	fclose(out);
	return text;
}

/* The list behind the frontend; NULL if there is no such frontend. */
static const struct plan_list *list_at(const struct plan_port *port, enum plan_scope scope,
				       const char *addr)
{
	vec_foreach(&port->frontends, frontend) {
		char text[ADDR_STR_SIZE];

		if (frontend->scope == scope &&
		    strcmp(addr_to_str(&frontend->addr, text), addr) == 0)
			return &port->lists.items[frontend->list];
	}
	return NULL;
}

static void check(const struct row *row, const char *what, const struct plan_port *port,
		  const struct plan_list *list, const char *expected)
{
	_cleanup_free_ char *have = list ? used(port, list) : NULL;

	if (strcmp(have ? have : "-", expected) != 0)
		fail_msg("%s: %s list is '%s' instead of '%s'", row->name, what, have ? have : "-",
			 expected);
}

/*
 * kube-proxy has one list for Cluster and one for Local; here each frontend has its own. This node's
 * Local list is behind the ClusterIP (internal policy); behind its NodePort as others see it
 * (external policy), it is what another node's swerved has: so the model is asked as n2 for n1.
 */
static void check_external_local(const struct row *row)
{
	_cleanup_(plan_done) struct plan plan = {};
	const struct plan_list *list;
	struct model *model;

	assert_int_equal(model_new("n9", &everywhere, &model), 0);
	put(model, OBJECT_SERVICE, make_service("10.96.0.1", row->spec));
	put_endpoints(model, row->endpoints);
	put(model, OBJECT_NODE, make_node("n1", "", "192.0.2.1"));
	assert_int_equal(plan_service(model, "a", "web", &plan), 0);
	model_free(model);
	list = list_at(&plan.ports.items[0], PLAN_AT_OTHER_NODES, "192.0.2.1");
	if (!list)
		list = list_at(&plan.ports.items[0], PLAN_AT_OTHER_NODES, "0.0.0.0");
	check(row, "external Local", &plan.ports.items[0], list, row->local);
	assert_int_equal(list->elsewhere, row->any && !*row->local);
}

static void check_row(const struct row *row)
{
	struct model *model = make_model(row);
	_cleanup_(plan_done) struct plan plan = {};
	bool internal_local = strstr(row->spec, "iLocal"),
	     external_local = strstr(row->spec, "eLocal");
	const struct plan_list *internal, *external;
	const struct plan_port *port;

	assert_int_equal(plan_service(model, "a", "web", &plan), 0);
	model_free(model);
	port = &plan.ports.items[0];
	internal = list_at(port, PLAN_AT_ADDRESS, "10.96.0.1");
	external = list_at(port, PLAN_AT_THIS_NODE, "0.0.0.0");
	assert_non_null(internal);
	check(row, "internal", port, internal, internal_local ? row->local : row->cluster);
	if (internal_local)
		assert_int_equal(internal->elsewhere, row->any && !*row->local);
	else
		assert_false(internal->elsewhere);
	if (external || strcmp(row->cluster, "-") == 0)
		check(row, "external", port, external, row->cluster);
	if (external && external_local)
		check_external_local(row);
}

static void test_categorize_endpoints(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i]);
}

/* What kube-proxy would not use stands by: for when all that it would use is found to be down. */
static void test_other_zones_stand_by(void **state)
{
	const struct row row = {.zone = "a", .spec = INTERNAL, .endpoints = FOUR_ZONES};
	struct model *model = make_model(&row);
	_cleanup_(plan_done) struct plan plan = {};
	const struct plan_list *list;

	(void)state;
	assert_int_equal(plan_service(model, "a", "web", &plan), 0);
	model_free(model);
	list = &plan.ports.items[0].lists.items[0];
	assert_int_equal(list->preferred, 2);
	assert_int_equal(list->ready, 4);
	assert_int_equal(list->members.len, 4);
	assert_int_equal(list->members.items[0], 0);
	assert_int_equal(list->members.items[1], 3);
}

/* The zone is that of the Node object, and follows it. */
static void test_zone_follows_the_node(void **state)
{
	const struct row row = {.zone = "a", .spec = INTERNAL, .endpoints = FOUR_ZONES};
	struct model *model = make_model(&row);
	_cleanup_free_ char *namespace = NULL, *name = NULL;
	_cleanup_(plan_done) struct plan plan = {};
	char *other_namespace, *other_name;

	(void)state;
	assert_int_equal(model_next_changed(model, &namespace, &name), 1);
	put(model, OBJECT_NODE, make_node("n1", "a", ""));
	assert_int_equal(model_next_changed(model, &other_namespace, &other_name), 0);
	put(model, OBJECT_NODE, make_node("n2", "b", ""));
	assert_int_equal(model_next_changed(model, &other_namespace, &other_name), 0);
	put(model, OBJECT_NODE, make_node("n1", "b", ""));
	assert_int_equal(model_next_changed(model, &other_namespace, &other_name), 1);
	free(other_namespace);
	free(other_name);
	assert_int_equal(plan_service(model, "a", "web", &plan), 0);
	assert_int_equal(plan.ports.items[0].lists.items[0].preferred, 1);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_categorize_endpoints),
		cmocka_unit_test(test_other_zones_stand_by),
		cmocka_unit_test(test_zone_follows_the_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

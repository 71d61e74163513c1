/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use which address of a Service with loadBalancerSourceRanges: TestLoadBalancer of
 * pkg/proxy/nftables/proxier_test.go, Kubernetes 1.36, and what holds for two families. Whether an
 * address is in a range is the kernel's to find out (tests/bpf/test_bpf_sources.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_fixture.h"

/* An expectation is a list of "ADDRESS", ADDRESS=ranges, ADDRESS=ranges+node; then the ranges. */
struct row {
	const char *what;
	const char *ips;
	const char *service;
	const char *node; /* its addresses; NULL: there is no Node object */
	const char *v4;
	const char *v6;
};

#define BALANCERS ":80/tcp external=198.51.100.1 balancer=1.2.3.4 balancer=5.6.7.8"
#define BOTH_V4   "10.96.0.1 1.2.3.4=ranges+node 5.6.7.8=ranges+node 198.51.100.1"
#define NODE      "192.168.0.2 fd00::2"

/* clang-format off */
static const struct row rows[] = {
	{"TestLoadBalancer", "10.96.0.1", BALANCERS " range=192.168.0.0/24 range=203.0.113.0/25",
	 NODE, BOTH_V4 " | 192.168.0.0/120 203.0.113.0/121", NULL},
	{"the node is not in a range", "10.96.0.1", ":80/tcp balancer=1.2.3.4 range=203.0.113.0/25",
	 NODE, "10.96.0.1 1.2.3.4=ranges | 203.0.113.0/121", NULL},
	{"there is no Node object", "10.96.0.1", ":80/tcp balancer=1.2.3.4 range=192.168.0.0/24",
	 NULL, "10.96.0.1 1.2.3.4=ranges | 192.168.0.0/120", NULL},
	{"NodePorts are for all", "10.96.0.1", ":80/tcp+30080 balancer=1.2.3.4 range=10.0.0.0/8",
	 NODE, "10.96.0.1 1.2.3.4=ranges 0.0.0.0 0.0.0.0 | 10.0.0.0/104", NULL},

	/* Of one address the first frontend counts. */
	{"an external IP that is the load balancer's, too", "10.96.0.1",
	 ":80/tcp external=1.2.3.4 balancer=1.2.3.4 range=10.0.0.0/8", NODE,
	 "10.96.0.1 1.2.3.4=ranges 1.2.3.4 | 10.0.0.0/104", NULL},

	{"no ranges", "10.96.0.1", ":80/tcp balancer=1.2.3.4", NODE, "10.96.0.1 1.2.3.4 |", NULL},
	{"all addresses", "10.96.0.1", ":80/tcp balancer=1.2.3.4 range=10.0.0.0/8 range=0.0.0.0/0",
	 NODE, "10.96.0.1 1.2.3.4 |", NULL},
	{"no load balancer", "10.96.0.1", ":80/tcp range=10.0.0.0/8", NODE, "10.96.0.1 |", NULL},
	{"only ranges of the other family", "10.96.0.1", ":80/tcp balancer=1.2.3.4 range=fd00::/8",
	 NODE, "10.96.0.1 1.2.3.4 |", NULL},
	{"ordered, each once", "10.96.0.1", ":80/tcp balancer=1.2.3.4 range=10.2.0.0/16 range=10.1.0.0/16"
	 " range=10.2.0.0/24 range=10.1.0.7/16", NODE,
	 "10.96.0.1 1.2.3.4=ranges | 10.1.0.0/112 10.2.0.0/112 10.2.0.0/120", NULL},
	{"both families", "10.96.0.1 fd00:96::1", ":80/tcp balancer=1.2.3.4 balancer=2001:db8::4"
	 " range=192.168.0.0/24 range=2001:db8:1::/48", NODE,
	 "10.96.0.1 1.2.3.4=ranges+node | 192.168.0.0/120",
	 "fd00:96::1 2001:db8::4=ranges | 2001:db8:1::/48"},
	{"all of one family", "10.96.0.1 fd00:96::1", ":80/tcp balancer=1.2.3.4 balancer=2001:db8::4"
	 " range=192.168.0.0/24 range=::/0", NODE,
	 "10.96.0.1 1.2.3.4=ranges+node | 192.168.0.0/120", "fd00:96::1 2001:db8::4 |"},
};
/* clang-format on */

static const char *const clients[] = {[PLAN_FOR_ALL] = "",
				      [PLAN_FOR_RANGES] = "=ranges",
				      [PLAN_FOR_RANGES_AND_NODE] = "=ranges+node"};

static void check(const struct row *row, const struct plan_port *port, const char *expected)
{
	_cleanup_free_ char *text = NULL;
	char addr[ADDR_STR_SIZE];
	size_t size;
	FILE *out = must(open_memstream(&text, &size));

	vec_foreach(&port->frontends, frontend)
		fprintf(out, "%s%s ", addr_to_str(&frontend->addr, addr),
			clients[frontend->clients]);
	fputc('|', out);
	vec_foreach(&port->source_ranges, range)
		fprintf(out, " %s/%u", addr_to_str(&range->addr, addr), range->prefix);
	fclose(out);
	if (strcmp(text, expected))
		fail_msg("%s: %s, expected %s", row->what, text, expected);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct model *model;
		struct plan plan;

		assert_int_equal(model_new("n1", &everywhere, &model), 0);
		put(model, OBJECT_SERVICE, make_service(row->ips, row->service));
		if (row->node)
			put(model, OBJECT_NODE, make_node("n1", "", row->node));
		assert_int_equal(plan_service(model, "a", "web", &plan), 0);
		assert_int_equal(plan.ports.len, row->v6 ? 2 : 1);
		check(row, &plan.ports.items[0], row->v4);
		if (row->v6)
			check(row, &plan.ports.items[1], row->v6);
		plan_done(&plan);
		model_free(model);
	}
}

static bool is_changed(struct model *model)
{
	_cleanup_free_ char *namespace = NULL, *name = NULL;

	return model_next_changed(model, &namespace, &name) == 1;
}

/* A node that gets another address may be in a range now. */
static void test_node_address_changes(void **state)
{
	static const struct {
		const char *service;
		bool changed;
	} services[] = {{":80/tcp balancer=1.2.3.4", false},
			{":80/tcp balancer=1.2.3.4 range=10.0.0.0/8", true}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		struct model *model;

		assert_int_equal(model_new("n1", &everywhere, &model), 0);
		put(model, OBJECT_SERVICE, make_service("10.96.0.1", services[i].service));
		put(model, OBJECT_NODE, make_node("n1", "", "192.168.0.2"));
		while (is_changed(model))
			;
		put(model, OBJECT_NODE, make_node("n1", "", "10.0.0.2"));
		assert_int_equal(is_changed(model), services[i].changed);
		model_free(model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_node_address_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/node_table.h"
#include "datapath/dp_nodes.h"
#include "datapath/dp_table.h"
#include "net/local_addrs.h"

#include "plan_fixture.h"

/* "10.0.0.1" as this node's ("t"), another's ("o"), loopback ("l") or gone ("-"): "t10.0.0.1 …". */
static const char kind_letters[] = {
	[0] = '-', [SW_NODE_THIS] = 't', [SW_NODE_OTHER] = 'o', [SW_NODE_LOOPBACK] = 'l'};

static struct dp_nodes parse(const char *text)
{
	_cleanup_free_ char *copy = must(strdup(text));
	struct dp_nodes nodes = {};
	char *save;

	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		struct addr addr = parse_addr(word + 1);
		struct dp_node node = {.addr = dp_sw_addr(&addr), .kind = SW_NODE_THIS};

		if (*word == 'o')
			node.kind = SW_NODE_OTHER;
		assert_int_equal(vec_push(&nodes, node), 0);
	}
	dp_nodes_sort_unique(&nodes);
	return nodes;
}

/* Frees the nodes. */
static void assert_nodes(struct dp_nodes *nodes, const char *expected)
{
	char text[1024] = "", addr_text[ADDR_STR_SIZE];

	vec_foreach(nodes, node) {
		struct addr addr = dp_addr(&node->addr);
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%c%s", len ? " " : "",
			 kind_letters[node->kind], addr_to_str(&addr, addr_text));
	}
	assert_string_equal(text, expected);
	vec_done(nodes);
}

static void test_diff(void **state)
{
	static const struct {
		const char *have, *want, *changes;
	} cases[] = {
		{"", "", ""},
		{"", "t10.0.0.1 o10.0.0.2", "t10.0.0.1 o10.0.0.2"},
		{"t10.0.0.1 o10.0.0.2", "t10.0.0.1 o10.0.0.2", ""},
		{"t10.0.0.1 o10.0.0.2", "", "-10.0.0.1 -10.0.0.2"},
		{"t10.0.0.1 o10.0.0.2", "o10.0.0.1 o10.0.0.3", "-10.0.0.2 o10.0.0.1 o10.0.0.3"},
		{"", "o10.0.0.1 t10.0.0.1 o10.0.0.1", "t10.0.0.1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dp_nodes have = parse(cases[i].have), want = parse(cases[i].want);
		struct dp_nodes changes = {};

		assert_int_equal(dp_nodes_diff(&have, &want, &changes), 0);
		assert_nodes(&changes, cases[i].changes);
		vec_done(&have);
		vec_done(&want);
	}
}

static void assert_own(const struct model *model, const struct addr_list *local,
		       const char *expected)
{
	struct addr_list own = {};
	char text[256] = "", addr[ADDR_STR_SIZE];

	assert_int_equal(node_table_own(model, local, &own), 0);
	vec_foreach(&own, item)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ",
			 addr_to_str(item, addr));
	assert_string_equal(text, expected);
	vec_done(&own);
}

static void test_table(void **state)
{
	static const struct {
		const char *option, *expected;
		const char *own; /* where this node listens; "": at all */
	} cases[] = {
		{"",
		 "l127.0.0.1 t192.0.2.1 o192.0.2.2 t198.51.100.1 o198.51.100.2 tfd00::1 tfd00::9",
		 ""},
		{"primary", "t192.0.2.1 o192.0.2.2 tfd00::1", "192.0.2.1 "},
		{"198.51.100.0/24,127.0.0.0/8", "l127.0.0.1 t198.51.100.1 o198.51.100.2",
		 "127.0.0.1 198.51.100.1 "},
		{"0.0.0.0/0", "l127.0.0.1 t192.0.2.1 o192.0.2.2 t198.51.100.1 o198.51.100.2",
		 "127.0.0.1 192.0.2.1 198.51.100.1 "},
		{"::/0", "tfd00::1 tfd00::9", "fd00::9 "},
		{"10.0.0.0/8", "", ""},
	};
	struct addr_list local = {};

	(void)state;
	assert_int_equal(vec_push(&local, parse_addr("192.0.2.1")), 0);
	assert_int_equal(vec_push(&local, parse_addr("198.51.100.1")), 0);
	assert_int_equal(vec_push(&local, parse_addr("fd00::9")), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct node_ports node_ports;
		struct dp_nodes nodes = {};
		struct model *model;

		assert_int_equal(node_ports_parse(cases[i].option, &node_ports), 0);
		assert_int_equal(model_new("n1", &node_ports, &model), 0);
		put(model, OBJECT_NODE, make_node("n1", "", "192.0.2.1 fd00::1"));
		/* It claims an address that is ours. */
		put(model, OBJECT_NODE, make_node("n2", "", "192.0.2.2 198.51.100.2 198.51.100.1"));
		assert_int_equal(node_table_make(model, &local, &nodes), 0);
		assert_nodes(&nodes, cases[i].expected);
		assert_own(model, &local, cases[i].own);
		model_free(model);
		node_ports_done(&node_ports);
	}
	vec_done(&local);
}

static void test_options_that_do_not_parse(void **state)
{
	static const char *const texts[] = {"secondary", "10.0.0.0", "primary,10.0.0.0/8",
					    "10.0.0.0/8 fd00::/8"};
	struct node_ports node_ports;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(node_ports_parse(texts[i], &node_ports), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_options_that_do_not_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

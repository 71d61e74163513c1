/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows say in words what a service and its groups of endpoints are (plan_fixture.h),
 * and expect lines of "NAME FRONTENDS > READY ; TERMINATING", or of "N skipped".
 */
#include "base/cleanup.h"
#include "model/endpoint.h"
#include "model/model.h"
#include "model/node_ports.h"
#include "model/plan.h"
#include "model/service.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan_fixture.h"

struct row {
	const char *what;
	const char *ips;
	const char *ports;
	const char *groups;
	const char *expected;
};

/* clang-format off */
static const struct row rows[] = {
	{"headless", "", ":80/tcp", "=:8080/tcp 10.0.0.1/rs", ""},
	{"no ports", "10.96.0.1", "", "=:8080/tcp 10.0.0.1/rs", ""},
	{"no endpoints", "10.96.0.1", ":80/tcp", "", "a/web:80/tcp 10.96.0.1:80 >\n"},
	{"one endpoint", "10.96.0.1", ":80/tcp", "=:8080/tcp 10.0.0.1/rs",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:8080\n"},
	{"order by address and port", "10.96.0.1", ":80/tcp",
	 "=:9090/tcp 10.0.0.9/rs 10.0.0.1/rs 10.0.0.10/rs | =:8080/tcp 10.0.0.1/rs",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:8080 10.0.0.1:9090 10.0.0.9:9090 10.0.0.10:9090\n"},

	{"ports match by name", "10.96.0.1", "http:80/tcp admin:81/tcp",
	 "=admin:9090/tcp =http:8080/tcp 10.0.0.1/rs",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:8080\n"
	 "a/web:81/tcp 10.96.0.1:81 > 10.0.0.1:9090\n"},
	{"ports match by protocol", "10.96.0.1", "dns:53/tcp dns:53/udp",
	 "=dns:5353/udp 10.0.0.1/rs | =dns:5354/tcp 10.0.0.2/rs",
	 "a/web:53/tcp 10.96.0.1:53 > 10.0.0.2:5354\n"
	 "a/web:53/udp 10.96.0.1:53 > 10.0.0.1:5353\n"},
	{"a name does not match no name", "10.96.0.1", "http:80/tcp", "=:8080/tcp 10.0.0.1/rs",
	 "a/web:80/tcp 10.96.0.1:80 >\n"},
	{"each slice has its own number", "10.96.0.1", "http:80/tcp",
	 "=http:8080/tcp 10.0.0.1/rs | =http:8081/tcp 10.0.0.2/rs",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:8080 10.0.0.2:8081\n"},

	{"not ready", "10.96.0.1", ":80/tcp", "=:80/tcp 10.0.0.1/s 10.0.0.2/",
	 "a/web:80/tcp 10.96.0.1:80 >\n"},
	{"publishNotReadyAddresses: ready, not serving", "10.96.0.1", ":80/tcp",
	 "=:80/tcp 10.0.0.1/r", "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:80\n"},
	{"publishNotReadyAddresses: ready while it terminates", "10.96.0.1", ":80/tcp",
	 "=:80/tcp 10.0.0.1/rst 10.0.0.2/rs 10.0.0.3/rt",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:80 10.0.0.2:80 10.0.0.3:80\n"},
	{"terminating without serving is nothing", "10.96.0.1", ":80/tcp",
	 "=:80/tcp 10.0.0.1/t 10.0.0.2/", "a/web:80/tcp 10.96.0.1:80 >\n"},
	{"only terminating", "10.96.0.1", ":80/tcp", "=:80/tcp 10.0.0.2/st 10.0.0.1/st",
	 "a/web:80/tcp 10.96.0.1:80 > ; 10.0.0.1:80 10.0.0.2:80\n"},

	{"duplicate over slices", "10.96.0.1", ":80/tcp",
	 "=:80/tcp 10.0.0.1/rs | =:80/tcp 10.0.0.1/rs",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:80\n"},
	{"same address, other port is no duplicate", "10.96.0.1", ":80/tcp",
	 "=:80/tcp 10.0.0.1/rs | =:81/tcp 10.0.0.1/rs",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:80 10.0.0.1:81\n"},
	{"address reused: the new pod counts", "10.96.0.1", ":80/tcp",
	 "=:80/tcp 10.0.0.1/st | =:80/tcp 10.0.0.1/rs",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:80\n"},
	{"address reused, other order", "10.96.0.1", ":80/tcp",
	 "=:80/tcp 10.0.0.1/rs | =:80/tcp 10.0.0.1/st",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:80\n"},
	{"address reused: the new pod is not ready", "10.96.0.1", ":80/tcp",
	 "=:80/tcp 10.0.0.1/st | =:80/tcp 10.0.0.1/",
	 "a/web:80/tcp 10.96.0.1:80 >\n"},
	{"duplicate that is ready in one slice", "10.96.0.1", ":80/tcp",
	 "=:80/tcp 10.0.0.1/ | =:80/tcp 10.0.0.1/rs",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:80\n"},
	{"duplicate terminating, one still serves", "10.96.0.1", ":80/tcp",
	 "=:80/tcp 10.0.0.1/t | =:80/tcp 10.0.0.1/st",
	 "a/web:80/tcp 10.96.0.1:80 > ; 10.0.0.1:80\n"},

	{"IPv6 alone has no suffix", "fd00::1", ":80/tcp", "=:80/tcp fd01::1/rs",
	 "a/web:80/tcp [fd00::1]:80 > [fd01::1]:80\n"},
	{"dual stack", "10.96.0.1 fd00::1", "http:80/tcp dns:53/udp",
	 "=http:80/tcp =dns:53/udp 10.0.0.1/rs | =http:81/tcp fd01::1/rs fd01::2/st",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:80\n"
	 "a/web:80/tcp/6 [fd00::1]:80 > [fd01::1]:81 ; [fd01::2]:81\n"
	 "a/web:53/udp 10.96.0.1:53 > 10.0.0.1:53\n"
	 "a/web:53/udp/6 [fd00::1]:53 >\n"},
	{"dual stack, IPv6 first", "fd00::1 10.96.0.1", ":80/tcp", "=:80/tcp fd01::1/rs",
	 "a/web:80/tcp 10.96.0.1:80 >\n"
	 "a/web:80/tcp/6 [fd00::1]:80 > [fd01::1]:80\n"},
	{"endpoints of the other family", "10.96.0.1", ":80/tcp", "=:80/tcp fd01::1/rs",
	 "a/web:80/tcp 10.96.0.1:80 >\n"},

	{"policy Local", "10.96.0.1", "iLocal :80/tcp",
	 "=:80/tcp 10.0.0.1/rs@n1 10.0.0.2/rs@n2 10.0.0.3/rs 10.0.0.4/st@n1 10.0.0.5/st@n2",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:80 ; 10.0.0.4:80\n"},
	{"policy Local, all elsewhere", "10.96.0.1", "iLocal :80/tcp", "=:80/tcp 10.0.0.2/rs@n2",
	 "a/web:80/tcp 10.96.0.1:80 >\n"},
	{"policy Cluster does not look at nodes", "10.96.0.1", ":80/tcp",
	 "=:80/tcp 10.0.0.1/rs@n1 10.0.0.2/rs@n2 10.0.0.3/rs",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:80 10.0.0.2:80 10.0.0.3:80\n"},

	{"SCTP is skipped and counted", "10.96.0.1 fd00::1", "a:80/sctp b:80/tcp c:81/sctp",
	 "=a:80/sctp =b:80/tcp 10.0.0.1/rs",
	 "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:80\n"
	 "a/web:80/tcp/6 [fd00::1]:80 >\n"
	 "2 skipped\n"},
};
/* clang-format on */

static struct model *make_model(const struct row *row)
{
	struct model *model;

	assert_int_equal(model_new("n1", &everywhere, &model), 0);
	put(model, OBJECT_SERVICE, make_service(row->ips, row->ports));
	put_groups(model, row->groups);
	return model;
}

/* The lines as rows expect them; the caller frees them. */
static char *dump(const struct plan *plan)
{
	char text[ADDR_PORT_STR_SIZE];
	char *lines = NULL;
	size_t size;
	FILE *out = must(open_memstream(&lines, &size));

	vec_foreach(&plan->ports, port) {
		fputs(port->name, out);
		vec_foreach(&port->frontends, frontend)
			fprintf(out, " %s",
				addr_port_to_str(&frontend->addr, frontend->port, text));
		fputs(" >", out);
		for (size_t i = 0; i < port->endpoints.len; i++) {
			const struct plan_endpoint *endpoint = &port->endpoints.items[i];

			fprintf(out, "%s %s", i == port->ready ? " ;" : "",
				addr_port_to_str(&endpoint->addr, endpoint->port, text));
		}
		fputc('\n', out);
	}
	if (plan->skipped)
		fprintf(out, "%zu skipped\n", plan->skipped);
	fclose(out);
	return lines;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct model *model = make_model(&rows[i]);
		_cleanup_free_ char *lines = NULL;
		_cleanup_(plan_done) struct plan plan = {};

		assert_int_equal(plan_service(model, "a", "web", &plan), 0);
		model_free(model);
		lines = dump(&plan);
		if (strcmp(lines, rows[i].expected) != 0)
			fail_msg("%s:\n%sinstead of\n%s", rows[i].what, lines, rows[i].expected);
	}
}

static void test_values_are_copied(void **state)
{
	struct row row = {"", "10.96.0.1", ":80/udp", "=:8080/udp 10.0.0.1/rs", ""};
	struct model *model = make_model(&row);
	_cleanup_(plan_done) struct plan plan = {};
	const struct plan_port *port;

	(void)state;
	assert_int_equal(plan_service(model, "a", "web", &plan), 0);
	model_free(model);
	assert_int_equal(plan.ports.len, 1);
	port = &plan.ports.items[0];
	assert_int_equal(port->proto, IPPROTO_UDP);
	assert_int_equal(port->probe.rise, 7);
	assert_int_equal(port->affinity_timeout, 60);
	assert_int_equal(port->ready, 1);
	assert_string_equal(port->endpoints.items[0].target, "a/pod-10.0.0.1");
	assert_string_equal(port->endpoints.items[0].uid, "10.0.0.1");
}

static void test_service_that_is_gone(void **state)
{
	struct model *model;
	_cleanup_(plan_done) struct plan plan = {};
	char words[] = "=:8080/tcp 10.0.0.1/rs";

	(void)state;
	assert_int_equal(model_new("n1", &everywhere, &model), 0);
	put(model, OBJECT_SLICE, make_group("slice-0", words));
	assert_int_equal(plan_service(model, "a", "web", &plan), 0);
	assert_int_equal(plan.ports.len, 0);
	model_free(model);
}

static void test_endpoints_object_without_slices(void **state)
{
	struct model *model;
	_cleanup_(plan_done) struct plan plan = {};
	_cleanup_free_ char *lines = NULL;
	char words[] = "=:8080/tcp 10.0.0.1/rs 10.0.0.2/";
	struct endpoint_group *group = make_group("web", words);

	(void)state;
	assert_int_equal(model_new("n1", &everywhere, &model), 0);
	put(model, OBJECT_SERVICE, make_service("10.96.0.1", ":80/tcp"));
	put(model, OBJECT_ENDPOINTS, group);
	assert_int_equal(plan_service(model, "a", "web", &plan), 0);
	lines = dump(&plan);
	assert_string_equal(lines, "a/web:80/tcp 10.96.0.1:80 > 10.0.0.1:8080\n");
	model_free(model);
}

/* A node without a name has no local endpoints, also not those without a node. */
static void test_policy_local_without_node_name(void **state)
{
	char words[] = "=:80/tcp 10.0.0.1/rs 10.0.0.2/rs@n1";
	struct model *model;
	_cleanup_(plan_done) struct plan plan = {};

	(void)state;
	assert_int_equal(model_new("", &everywhere, &model), 0);
	put(model, OBJECT_SERVICE, make_service("10.96.0.1", "iLocal :80/tcp"));
	put(model, OBJECT_SLICE, make_group("s", words));
	assert_int_equal(plan_service(model, "a", "web", &plan), 0);
	assert_int_equal(plan.ports.items[0].endpoints.len, 0);
	model_free(model);
}

static void rename_service(struct service *service, size_t namespace_len, size_t name_len)
{
	free(service->namespace);
	free(service->name);
	service->namespace = must(calloc(1, namespace_len + 1));
	service->name = must(calloc(1, name_len + 1));
	memset(service->namespace, 'n', namespace_len);
	memset(service->name, 'm', name_len);
}

static void test_longest_names(void **state)
{
	struct service *service = make_service("10.96.0.1 fd00::1", ":65535/tcp");
	struct service *longer = make_service("10.96.0.1 fd00::1", ":65535/tcp");
	struct model *model;
	_cleanup_(plan_done) struct plan plan = {};
	const char *name;

	(void)state;
	assert_int_equal(model_new("n1", &everywhere, &model), 0);
	rename_service(service, 63, 63);
	put(model, OBJECT_SERVICE, service);
	assert_int_equal(plan_service(model, service->namespace, service->name, &plan), 0);
	name = plan.ports.items[1].name;
	assert_int_equal(strlen(name), 63 + 1 + 63 + strlen(":65535/tcp/6"));
	assert_string_equal(name + 127, ":65535/tcp/6");

	rename_service(longer, 64, 68);
	put(model, OBJECT_SERVICE, longer);
	assert_int_equal(plan_service(model, longer->namespace, longer->name, &plan),
			 -ENAMETOOLONG);
	assert_int_equal(plan.ports.len, 2);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_values_are_copied),
		cmocka_unit_test(test_service_that_is_gone),
		cmocka_unit_test(test_endpoints_object_without_slices),
		cmocka_unit_test(test_policy_local_without_node_name),
		cmocka_unit_test(test_longest_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

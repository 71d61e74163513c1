/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "model/endpoint.h"
#include "model/model.h"
#include "model/node.h"
#include "model/node_ports.h"
#include "model/service.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct node_ports everywhere;

/* Few names, so that random steps hit each other. */
enum { SERVICES = 3, SLICES = 6, NODES = 2, STEPS = 40000, GROUPS_MAX = 16 };

static const char *const namespaces[] = {"a", "b"};
enum { NAMESPACES = ARRAY_SIZE(namespaces) };

static int setup(void **state)
{
	return model_new("node-1", &everywhere, (struct model **)state);
}

static int teardown(void **state)
{
	model_free(*state);
	return 0;
}

static void *must(void *p)
{
	assert_non_null(p);
	return p;
}

/* `tag` tells versions of an object apart. */
static struct object make_service(const char *namespace, const char *name, const char *tag)
{
	struct service *service = must(calloc(1, sizeof(*service)));

	service->namespace = must(strdup(namespace));
	service->name = must(strdup(name));
	service->uid = must(strdup(tag));
	return (struct object){.kind = OBJECT_SERVICE, .service = service};
}

static struct object make_group(enum object_kind kind, const char *namespace, const char *name,
				const char *service)
{
	struct endpoint_group *group = must(calloc(1, sizeof(*group)));

	group->namespace = must(strdup(namespace));
	group->name = must(strdup(name));
	group->service = must(strdup(service));
	return (struct object){.kind = kind, .endpoints = group};
}

static struct object make_node(const char *name)
{
	struct node *node = must(calloc(1, sizeof(*node)));

	node->name = must(strdup(name));
	node->zone = must(strdup(""));
	return (struct object){.kind = OBJECT_NODE, .node = node};
}

static void put(struct model *model, struct object object)
{
	assert_int_equal(model_put(model, &object), 0);
	assert_null(object.service);
}

static void assert_next_changed(struct model *model, const char *namespace, const char *name)
{
	_cleanup_free_ char *next_namespace = NULL;
	_cleanup_free_ char *next_name = NULL;

	assert_int_equal(model_next_changed(model, &next_namespace, &next_name), 1);
	assert_string_equal(next_namespace, namespace);
	assert_string_equal(next_name, name);
}

static void assert_nothing_changed(struct model *model)
{
	char *namespace;
	char *name;

	assert_int_equal(model_next_changed(model, &namespace, &name), 0);
}

static void test_empty(void **state)
{
	struct model *model = *state;
	const struct endpoint_group *group;

	assert_string_equal(model_node_name(model), "node-1");
	assert_null(model_service(model, "a", "web"));
	assert_int_equal(model_endpoints(model, "a", "web", &group, 1), 0);
	assert_int_equal(model_remove(model, OBJECT_SERVICE, "a", "web"), 0);
	assert_int_equal(model_remove(model, OBJECT_SLICE, "a", "web"), 0);
	assert_int_equal(model_remove(model, OBJECT_ENDPOINTS, "a", "web"), 0);
	assert_int_equal(model_remove(model, OBJECT_NODE, "", "web"), 0);
	for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		assert_int_equal(model_count(model, (enum object_kind)kind), 0);
	assert_nothing_changed(model);
}

static void test_changes_are_in_order_and_once(void **state)
{
	struct model *model = *state;

	put(model, make_service("a", "one", "1"));
	put(model, make_service("a", "two", "1"));
	put(model, make_service("a", "one", "2"));
	assert_next_changed(model, "a", "one");
	put(model, make_service("a", "one", "3"));
	assert_next_changed(model, "a", "two");
	assert_next_changed(model, "a", "one");
	assert_nothing_changed(model);
	assert_string_equal(model_service(model, "a", "one")->uid, "3");
	assert_null(model_service(model, "b", "one"));
	assert_null(model_service(model, "", "a/one"));
}

static void test_removed_service_is_reported(void **state)
{
	struct model *model = *state;

	put(model, make_service("a", "web", "1"));
	assert_int_equal(model_remove(model, OBJECT_SERVICE, "a", "web"), 1);
	assert_int_equal(model_remove(model, OBJECT_SERVICE, "a", "web"), 0);
	assert_int_equal(model_count(model, OBJECT_SERVICE), 0);
	assert_next_changed(model, "a", "web");
	assert_nothing_changed(model);
	assert_null(model_service(model, "a", "web"));
}

static void test_slices_come_before_endpoints(void **state)
{
	struct model *model = *state;
	const struct endpoint_group *groups[3] = {};

	put(model, make_group(OBJECT_ENDPOINTS, "a", "web", "web"));
	assert_int_equal(model_endpoints(model, "a", "web", groups, 3), 1);
	assert_string_equal(groups[0]->name, "web");
	put(model, make_group(OBJECT_SLICE, "a", "web-z", "web"));
	put(model, make_group(OBJECT_SLICE, "a", "web-b", "web"));
	put(model, make_group(OBJECT_SLICE, "a", "web-m", "web"));
	assert_int_equal(model_endpoints(model, "a", "web", groups, 3), 3);
	assert_string_equal(groups[0]->name, "web-b");
	assert_string_equal(groups[1]->name, "web-m");
	assert_string_equal(groups[2]->name, "web-z");
	assert_int_equal(model_endpoints(model, "a", "web", NULL, 0), 3);
	groups[1] = NULL;
	assert_int_equal(model_endpoints(model, "a", "web", groups, 1), 3);
	assert_null(groups[1]);
}

static void test_slice_moves_to_another_service(void **state)
{
	struct model *model = *state;
	const struct endpoint_group *group = NULL;

	put(model, make_group(OBJECT_SLICE, "a", "s", "one"));
	assert_next_changed(model, "a", "one");
	put(model, make_group(OBJECT_SLICE, "a", "s", "two"));
	assert_next_changed(model, "a", "one");
	assert_next_changed(model, "a", "two");
	assert_nothing_changed(model);
	assert_int_equal(model_endpoints(model, "a", "one", &group, 1), 0);
	assert_int_equal(model_endpoints(model, "a", "two", &group, 1), 1);
	assert_int_equal(model_count(model, OBJECT_SLICE), 1);
}

static void test_nodes(void **state)
{
	struct model *model = *state;

	put(model, make_node("n1"));
	put(model, make_node("n1"));
	put(model, make_node("n2"));
	assert_int_equal(model_count(model, OBJECT_NODE), 2);
	assert_int_equal(model_remove(model, OBJECT_NODE, "", "n1"), 1);
	assert_int_equal(model_count(model, OBJECT_NODE), 1);
	assert_nothing_changed(model);
}

static void test_names_that_are_too_long(void **state)
{
	struct model *model = *state;
	char name[255];
	struct object object;

	memset(name, 'x', sizeof(name));
	name[254] = 0;
	object = make_service("a", name, "");
	assert_int_equal(model_put(model, &object), -ENAMETOOLONG);
	object = make_service(name, "a", "");
	assert_int_equal(model_put(model, &object), -ENAMETOOLONG);
	object = make_group(OBJECT_SLICE, "a", "s", name);
	assert_int_equal(model_put(model, &object), -ENAMETOOLONG);
	assert_int_equal(model_count(model, OBJECT_SERVICE), 0);
	assert_int_equal(model_count(model, OBJECT_SLICE), 0);
	assert_nothing_changed(model);
	assert_null(model_service(model, "a", name));
	name[253] = 0;
	put(model, make_service(name, name, ""));
	assert_non_null(model_service(model, name, name));
}

static void test_object_names(void **state)
{
	struct object object = make_service("a", "web", "");

	(void)state;
	assert_string_equal(object_namespace(&object), "a");
	assert_string_equal(object_name(&object), "web");
	object_done(&object);
	object_done(&object);
	object = make_group(OBJECT_SLICE, "b", "web-1", "web");
	assert_string_equal(object_namespace(&object), "b");
	assert_string_equal(object_name(&object), "web-1");
	object_done(&object);
	object = make_node("n");
	assert_string_equal(object_namespace(&object), "");
	assert_string_equal(object_name(&object), "n");
	object_done(&object);
	assert_string_equal(object_kind_to_str(OBJECT_SERVICE), "Service");
	assert_string_equal(object_kind_to_str(OBJECT_SLICE), "EndpointSlice");
	assert_string_equal(object_kind_to_str(OBJECT_ENDPOINTS), "Endpoints");
	assert_string_equal(object_kind_to_str(OBJECT_NODE), "Node");
	assert_string_equal(object_kind_to_str(OBJECT_POD), "Pod");
}

/* The naive model: plain arrays, indexed by the number in the name. */
struct reference {
	char service[NAMESPACES][SERVICES][16]; /* uid; "": not there */
	bool endpoints[NAMESPACES][SERVICES];
	int slice[NAMESPACES][SLICES]; /* number of its service; -1: not there */
	bool node[NODES];
	bool changed[NAMESPACES][SERVICES];
};

static unsigned int random_state;

static unsigned int pick(unsigned int n)
{
	random_state = random_state * 1103515245U + 12345U;
	return (random_state >> 16) % n;
}

static const char *numbered(char buf[static 16], const char *prefix, unsigned int number)
{
	snprintf(buf, 16, "%s%u", prefix, number);
	return buf;
}

static void step_service(struct model *model, struct reference *ref, unsigned int ns, bool remove)
{
	unsigned int i = pick(SERVICES);
	char *uid = ref->service[ns][i];
	char name[16];

	numbered(name, "svc", i);
	if (remove) {
		assert_int_equal(model_remove(model, OBJECT_SERVICE, namespaces[ns], name),
				 *uid != 0);
		ref->changed[ns][i] |= *uid != 0;
		*uid = 0;
		return;
	}
	numbered(uid, "v", pick(1000));
	put(model, make_service(namespaces[ns], name, uid));
	ref->changed[ns][i] = true;
}

static void step_endpoints(struct model *model, struct reference *ref, unsigned int ns, bool remove)
{
	unsigned int i = pick(SERVICES);
	bool *there = &ref->endpoints[ns][i];
	char name[16];

	numbered(name, "svc", i);
	if (remove) {
		assert_int_equal(model_remove(model, OBJECT_ENDPOINTS, namespaces[ns], name),
				 *there);
		ref->changed[ns][i] |= *there;
		*there = false;
		return;
	}
	put(model, make_group(OBJECT_ENDPOINTS, namespaces[ns], name, name));
	*there = true;
	ref->changed[ns][i] = true;
}

static void step_slice(struct model *model, struct reference *ref, unsigned int ns, bool remove)
{
	unsigned int i = pick(SLICES);
	int *owner = &ref->slice[ns][i];
	char name[16];
	char service[16];

	numbered(name, "slice", i);
	if (*owner >= 0)
		ref->changed[ns][*owner] = true;
	if (remove) {
		assert_int_equal(model_remove(model, OBJECT_SLICE, namespaces[ns], name),
				 *owner >= 0);
		*owner = -1;
		return;
	}
	*owner = (int)pick(SERVICES);
	put(model, make_group(OBJECT_SLICE, namespaces[ns], name,
			      numbered(service, "svc", (unsigned int)*owner)));
	ref->changed[ns][*owner] = true;
}

static void step_node(struct model *model, struct reference *ref, bool remove)
{
	unsigned int i = pick(NODES);
	char name[16];

	numbered(name, "node", i);
	if (remove)
		assert_int_equal(model_remove(model, OBJECT_NODE, "", name), ref->node[i]);
	else
		put(model, make_node(name));
	ref->node[i] = !remove;
}

/* Takes one changed service out of both. */
static void step_next(struct model *model, struct reference *ref)
{
	_cleanup_free_ char *namespace = NULL;
	_cleanup_free_ char *name = NULL;
	bool any = false;

	for (size_t ns = 0; ns < NAMESPACES; ns++) {
		for (size_t i = 0; i < SERVICES; i++)
			any |= ref->changed[ns][i];
	}
	assert_int_equal(model_next_changed(model, &namespace, &name), any);
	for (unsigned int ns = 0; any && ns < NAMESPACES; ns++) {
		for (unsigned int i = 0; i < SERVICES; i++) {
			char expected[16];

			if (strcmp(namespace, namespaces[ns]) != 0 ||
			    strcmp(name, numbered(expected, "svc", i)) != 0)
				continue;
			assert_true(ref->changed[ns][i]);
			ref->changed[ns][i] = false;
		}
	}
}

static void compare_service(const struct model *model, const struct reference *ref, unsigned int ns,
			    unsigned int number)
{
	const struct endpoint_group *groups[GROUPS_MAX];
	const struct service *service;
	char name[16];
	char slice[16];
	size_t expected = 0;
	size_t len;

	numbered(name, "svc", number);
	service = model_service(model, namespaces[ns], name);
	assert_int_equal(service != NULL, ref->service[ns][number][0] != 0);
	if (service)
		assert_string_equal(service->uid, ref->service[ns][number]);
	len = model_endpoints(model, namespaces[ns], name, groups, GROUPS_MAX);
	for (unsigned int i = 0; i < SLICES; i++) {
		if (ref->slice[ns][i] != (int)number)
			continue;
		assert_true(expected < len);
		assert_string_equal(groups[expected]->name, numbered(slice, "slice", i));
		assert_string_equal(groups[expected]->service, name);
		expected++;
	}
	if (expected == 0 && ref->endpoints[ns][number]) {
		assert_int_equal(len, 1);
		assert_string_equal(groups[0]->name, name);
		expected = 1;
	}
	assert_int_equal(len, expected);
}

static void compare(const struct model *model, const struct reference *ref)
{
	size_t counts[OBJECT_KIND_COUNT] = {};

	for (unsigned int ns = 0; ns < NAMESPACES; ns++) {
		for (unsigned int i = 0; i < SERVICES; i++) {
			compare_service(model, ref, ns, i);
			counts[OBJECT_SERVICE] += ref->service[ns][i][0] != 0;
			counts[OBJECT_ENDPOINTS] += ref->endpoints[ns][i];
		}
		for (unsigned int i = 0; i < SLICES; i++)
			counts[OBJECT_SLICE] += ref->slice[ns][i] >= 0;
	}
	for (unsigned int i = 0; i < NODES; i++)
		counts[OBJECT_NODE] += ref->node[i];
	for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		assert_int_equal(model_count(model, (enum object_kind)kind), counts[kind]);
}

static void test_random_steps_against_reference(void **state)
{
	struct model *model = *state;
	struct reference ref = {};

	random_state = 20261122;
	memset(ref.slice, 0xff, sizeof(ref.slice));
	for (int step = 0; step < STEPS; step++) {
		unsigned int ns = pick(NAMESPACES);
		bool remove = pick(2);

		switch (pick(5)) {
		case 0:
			step_service(model, &ref, ns, remove);
			break;
		case 1:
			step_endpoints(model, &ref, ns, remove);
			break;
		case 2:
			step_slice(model, &ref, ns, remove);
			break;
		case 3:
			step_node(model, &ref, remove);
			break;
		case 4:
			step_next(model, &ref);
			break;
		}
		compare(model, &ref);
	}
	for (int i = 0; i < NAMESPACES * SERVICES + 1; i++)
		step_next(model, &ref);
	assert_nothing_changed(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes_are_in_order_and_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_removed_service_is_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slices_come_before_endpoints, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slice_moves_to_another_service, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_that_are_too_long, setup, teardown),
		cmocka_unit_test(test_object_names),
		cmocka_unit_test_setup_teardown(test_random_steps_against_reference, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

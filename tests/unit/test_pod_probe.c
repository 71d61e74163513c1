/* SPDX-License-Identifier: Apache-2.0 */
/* Which probe is whose: of the containers of a pod, and of the backends that are one. */
#include "agent/pod_users.h"
#include "base/cleanup.h"
#include "model/pod.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void add_container(struct pod *pod, uint16_t probe_port, uint16_t port, uint8_t proto)
{
	struct pod_container container = {.has_probe = probe_port, .probe.port = probe_port};
	struct pod_port declared = {.port = port, .proto = proto};

	if (port)
		assert_int_equal(vec_push(&container.ports, declared), 0);
	assert_int_equal(vec_push(&pod->containers, container), 0);
}

/* 0: there is none. */
static uint16_t probe_port(const struct pod *pod, uint16_t port, uint8_t proto)
{
	const struct probe_spec *probe = pod_probe(pod, port, proto);

	return probe ? probe->port : 0;
}

static void test_the_container_that_declares_the_port(void **state)
{
	struct pod *pod = calloc(1, sizeof(*pod));

	(void)state;
	assert_int_equal(probe_port(pod, 80, IPPROTO_TCP), 0);
	add_container(pod, 1, 80, IPPROTO_TCP);
	add_container(pod, 2, 81, IPPROTO_TCP);
	add_container(pod, 3, 53, IPPROTO_UDP);
	add_container(pod, 0, 82, IPPROTO_TCP);
	assert_int_equal(probe_port(pod, 80, IPPROTO_TCP), 1);
	assert_int_equal(probe_port(pod, 81, IPPROTO_TCP), 2);
	assert_int_equal(probe_port(pod, 53, IPPROTO_UDP), 3);
	assert_int_equal(probe_port(pod, 53, IPPROTO_TCP), 0);
	assert_int_equal(probe_port(pod, 82, IPPROTO_TCP), 0);
	assert_int_equal(probe_port(pod, 83, IPPROTO_TCP), 0);
	pod_free(pod);
}

/* Containers need not declare their ports. */
static void test_the_only_container(void **state)
{
	struct pod *pod = calloc(1, sizeof(*pod));

	(void)state;
	add_container(pod, 1, 0, 0);
	assert_int_equal(probe_port(pod, 80, IPPROTO_TCP), 1);
	add_container(pod, 2, 0, 0);
	assert_int_equal(probe_port(pod, 80, IPPROTO_TCP), 0);
	pod_free(pod);
}

static void test_users(void **state)
{
	struct pod_users *users;
	const uint32_t *backends;
	size_t len;

	(void)state;
	assert_int_equal(pod_users_new(&users), 0);
	assert_false(pod_users_ask(users, "a/web"));
	assert_int_equal(pod_users_add(users, "a/web", "u", 7), 0);
	assert_int_equal(pod_users_add(users, "a/web", "u", 9), 0);
	assert_int_equal(pod_users_add(users, "b/web", "v", 8), 0);
	assert_true(pod_users_ask(users, "a/web"));
	assert_false(pod_users_ask(users, "a/web"));
	backends = pod_users_get(users, "a/web", &len);
	assert_int_equal(len, 2);
	assert_int_equal(backends[0] + backends[1], 16);
	pod_users_get(users, "c/web", &len);
	assert_int_equal(len, 0);
	assert_false(pod_users_remove(users, "a/web", 7));
	assert_true(pod_users_remove(users, "a/web", 9));
	assert_false(pod_users_remove(users, "a/web", 9));
	pod_users_free(users);
}

/* A pod of a StatefulSet that is made again has the name of the one before it. */
static void test_another_pod_of_the_same_name(void **state)
{
	struct pod_users *users;

	(void)state;
	assert_int_equal(pod_users_new(&users), 0);
	assert_int_equal(pod_users_add(users, "a/web", "u", 7), 0);
	assert_true(pod_users_ask(users, "a/web"));
	assert_int_equal(pod_users_add(users, "a/web", "v", 8), 0);
	assert_false(pod_users_remove(users, "a/web", 7));
	assert_true(pod_users_ask(users, "a/web"));
	assert_false(pod_users_ask(users, "a/web"));
	pod_users_free(users);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_container_that_declares_the_port),
		cmocka_unit_test(test_the_only_container),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_another_pod_of_the_same_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

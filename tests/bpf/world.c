/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/world.h"
#include "unit/plan_list_all.h"

#include "base/addr.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "datapath/dp_pin_dir.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sandbox sandbox;
struct dp_problem problem;
bool world_has_set_retval;

static struct datapath *shared; /* by the tests that take no own one */

static void close_datapath(struct datapath *datapath)
{
	datapath_close(datapath);
	assert_int_equal(dp_pin_dir_cleanup(sandbox.pin_dir, &problem), 0);
	assert_int_not_equal(access(sandbox.pin_dir, F_OK), 0);
}

static void drop_shared(void)
{
	if (shared)
		close_datapath(shared);
	shared = NULL;
}

int world_run(int (*run)(void))
{
	const char *missing = sandbox_enter(&sandbox);
	int failed;

	if (missing) {
		printf("skip: %s\n", missing);
		return 77;
	}
	log_set_level(getenv("SWERVE_TEST_DEBUG") ? LOG_DEBUG : LOG_ERROR);
	world_has_set_retval = libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
						       BPF_FUNC_set_retval, NULL) == 1;
	print_message("bpf_set_retval: %s\n", world_has_set_retval ? "yes" : "no");
	failed = run();
	drop_shared();
	sandbox_leave(&sandbox);
	return failed;
}

struct datapath_config world_config(void)
{
	return (struct datapath_config){.cgroup = sandbox.cgroup, .pin_dir = sandbox.pin_dir};
}

struct datapath *world_open_datapath(void)
{
	struct datapath_config c = world_config();
	struct datapath *datapath = NULL;

	if (datapath_open(&c, &datapath, &problem))
		fail_msg("%s", problem.text);
	datapath_heartbeat(datapath, clock_now());
	return datapath;
}

static struct world *new_world(struct datapath *datapath)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->datapath = datapath;
	for (int i = 0; i < WORLD_SERVERS; i++)
		world->servers[i] = -1;
	return world;
}

static void free_world(struct world *world)
{
	for (int i = 0; i < WORLD_SERVERS; i++)
		world_shut(world, i);
	free(world);
}

int world_setup(void **state)
{
	if (!shared)
		shared = world_open_datapath();
	datapath_heartbeat(shared, clock_now());
	*state = new_world(shared);
	return 0;
}

int world_setup_own(void **state)
{
	drop_shared();
	*state = new_world(world_open_datapath());
	return 0;
}

int world_teardown_own(void **state)
{
	struct world *world = *state;

	close_datapath(world->datapath);
	free_world(world);
	return 0;
}

socklen_t world_sockaddr(int family, const char *address, uint16_t port,
			 struct sockaddr_storage *ret)
{
	struct sockaddr_in6 sa6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in sa4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool is4 = family == AF_INET;

	assert_int_equal(
		inet_pton(family, address, is4 ? (void *)&sa4.sin_addr : (void *)&sa6.sin6_addr),
		1);
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, is4 ? (void *)&sa4 : (void *)&sa6, is4 ? sizeof(sa4) : sizeof(sa6));
	return is4 ? sizeof(sa4) : sizeof(sa6);
}

uint16_t world_serve(struct world *world, int server, const char *address, int type)
{
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;
	struct sockaddr_storage sa;
	socklen_t size = world_sockaddr(family, address, 0, &sa);
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	world->servers[server] = fd;
	assert_return_code(bind(fd, (struct sockaddr *)&sa, size), errno);
	if (type == SOCK_STREAM)
		assert_return_code(listen(fd, 16), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&sa, &size), errno);
	world->ports[server] = ntohs(((struct sockaddr_in *)&sa)->sin_port);
	return world->ports[server];
}

void world_shut(struct world *world, int server)
{
	if (world->servers[server] >= 0)
		close(world->servers[server]);
	world->servers[server] = -1;
}

struct publication {
	struct world *world;
	size_t first;
};

static void remember_backend(void *arg, const struct plan_port *port,
			     const struct dp_backend_change *change)
{
	const struct publication *publication = arg;

	if (port)
		publication->world->backends[publication->first + change->endpoint] = change->index;
}

static void remember_service(struct world *world, const char *name)
{
	for (size_t i = 0; i < world->published_count; i++) {
		if (strcmp(world->published[i], name) == 0)
			return;
	}
	assert_in_range(world->published_count, 0, WORLD_SERVICES - 1);
	snprintf(world->published[world->published_count++], sizeof(world->published[0]), "%s",
		 name);
}

void world_publish(struct world *world, const struct world_service *service)
{
	struct publication publication = {world, service->first};
	struct plan_port port = {.proto = service->proto,
				 .ready = service->count - service->terminating,
				 .affinity_timeout = service->affinity_timeout,
				 .steer = service->steer,
				 .retry = RETRY_POLICY_DEFAULT};
	struct datapath_result result;
	struct plan plan = {};
	struct plan_list all = plan_list_all(service->count, port.ready);
	struct addr_range range;
	struct addr addr;

	port.retry.on = service->retry_on;
	if (service->retry_timeout)
		port.retry.timeout = service->retry_timeout;
	port.retry.request_timeout = service->request_timeout;
	snprintf(port.name, sizeof(port.name), "%.100s:80/%s", service->name,
		 service->proto == IPPROTO_UDP ? "udp" : "tcp");
	assert_int_equal(addr_from_str(service->frontend, &addr), 0);
	assert_int_equal(
		vec_push(&port.frontends, (struct plan_frontend){.addr = addr, .port = 80}), 0);
	if (service->source_range) {
		assert_int_equal(addr_range_from_str(service->source_range, &range), 0);
		assert_int_equal(vec_push(&port.source_ranges, range), 0);
		port.frontends.items[0].clients = PLAN_FOR_RANGES;
	}
	assert_int_equal(addr_from_str(service->address, &addr), 0);
	for (size_t i = 0; i < service->count; i++) {
		struct plan_endpoint endpoint = {.addr = addr,
						 .port = world->ports[service->first + i],
						 .target = (char *)"",
						 .uid = (char *)""};

		assert_int_equal(vec_push(&port.endpoints, endpoint), 0);
	}
	assert_int_equal(vec_push(&port.lists, all), 0);
	assert_int_equal(vec_push(&plan.ports, port), 0);
	assert_int_equal(datapath_apply(world->datapath, service->name, &plan, clock_now(),
					remember_backend, &publication, &result),
			 0);
	remember_service(world, service->name);
	vec_done(&port.frontends);
	vec_done(&port.source_ranges);
	vec_done(&port.endpoints);
	plan_list_done(&all);
	vec_done(&port.lists);
	vec_done(&plan.ports);
}

const struct sw_backend_load *world_load(const struct world *world, int server)
{
	return datapath_load(world->datapath, world->backends[server]);
}

bool world_is_ejected(const struct world *world, int server)
{
	return datapath_ejected_until(world->datapath, world->backends[server]) > clock_now();
}

void world_reset(int fd)
{
	struct linger linger = {.l_onoff = 1};

	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), errno);
	close(fd);
}

/* Withdraws what the test has published, and lets the time pass after which its elements are free. */
int world_teardown(void **state)
{
	struct world *world = *state;
	struct publication publication = {world, 0};
	const struct plan nothing = {};
	struct datapath_result result;

	for (size_t i = 0; i < world->published_count; i++)
		assert_int_equal(datapath_apply(shared, world->published[i], &nothing, clock_now(),
						remember_backend, &publication, &result),
				 0);
	datapath_heartbeat(shared, clock_now() + 10 * NSEC_PER_SEC);
	free_world(world);
	return 0;
}

int world_dial(int family, int type, const char *address, uint16_t port)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0), err;
	struct sockaddr_storage sa;
	socklen_t size = world_sockaddr(family, address, port, &sa);

	assert_return_code(fd, errno);
	if (!connect(fd, (struct sockaddr *)&sa, size))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

void world_name(const struct sockaddr_storage *sa, char *ret, size_t size)
{
	const void *ip = &((const struct sockaddr_in *)sa)->sin_addr;
	char address[64];

	if (sa->ss_family == AF_INET6)
		ip = &((const struct sockaddr_in6 *)sa)->sin6_addr;
	assert_non_null(inet_ntop(sa->ss_family, ip, address, sizeof(address)));
	snprintf(ret, size, "%s %u", address, ntohs(((const struct sockaddr_in *)sa)->sin_port));
}

void world_assert_peer(int fd, const char *expected)
{
	struct sockaddr_storage sa;
	socklen_t size = sizeof(sa);
	char text[96];

	assert_return_code(getpeername(fd, (struct sockaddr *)&sa, &size), errno);
	world_name(&sa, text, sizeof(text));
	assert_string_equal(text, expected);
}

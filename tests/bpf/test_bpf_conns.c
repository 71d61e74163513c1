/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that are closed, and those that are not: real sockets, the real map, and sock_diag.
 * Only loopback, so it runs on any kernel that boots (tests/kernels).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/plan_list_all.h"

#include "bpf/sandbox.h"

#include "base/addr.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "conns/closer.h"
#include "datapath/datapath.h"
#include "datapath/dp_pin_dir.h"
#include "loop/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 4000, JOB = 7, MARKER = 8 }; /* sockets; ids of jobs */

static struct sandbox sandbox;
static struct dp_problem problem;

struct world {
	struct datapath *datapath;
	struct loop *loop;
	struct closer *closer;
	int server;
	struct addr addr; /* of the server */
	uint16_t port;
	struct closer_result result; /* the last one */
	int results;
	size_t closed;    /* in all results */
	bool marker_seen; /* the result of the job MARKER */
};

static void on_done(void *arg, const struct closer_result *result)
{
	struct world *world = arg;

	world->result = *result;
	world->results++;
	world->closed += result->closed;
	world->marker_seen |= result->job.id == MARKER;
}

static int read_storage(void *arg, int fd, struct sw_socket *ret)
{
	return datapath_read_socket(arg, fd, ret);
}

/* One for all tests, since under emulation the verifier takes ten seconds for it. */
static struct datapath *shared;

static int open_datapath(void **state)
{
	struct datapath_config config = {.cgroup = sandbox.cgroup, .pin_dir = sandbox.pin_dir};

	(void)state;
	if (datapath_open(&config, &shared, &problem))
		fail_msg("%s", problem.text);
	return 0;
}

static int close_datapath(void **state)
{
	(void)state;
	datapath_close(shared);
	assert_int_equal(dp_pin_dir_cleanup(sandbox.pin_dir, &problem), 0);
	return 0;
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct closer_sockets sockets;

	assert_non_null(world);
	world->server = -1;
	world->datapath = shared;
	datapath_heartbeat(world->datapath, clock_now());
	sockets = (struct closer_sockets){.fd = datapath_sockets_fd(world->datapath),
					  .storage = read_storage,
					  .arg = world->datapath};
	assert_int_equal(loop_new(&world->loop), 0);
	assert_int_equal(closer_new(world->loop, &sockets, on_done, world, &world->closer), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	closer_free(world->closer);
	loop_free(world->loop);
	if (world->server >= 0)
		close(world->server);
	free(world);
	return 0;
}

static int open_server(const struct addr *addr, uint16_t port, int type, int backlog)
{
	struct sockaddr_storage sa;
	socklen_t size = addr_to_sockaddr(addr, port, &sa);
	int fd = socket(sa.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, size) ||
	    (type == SOCK_STREAM && listen(fd, backlog)))
		return -errno;
	return fd;
}

static void serve(struct world *world, const char *address, int type, int backlog)
{
	struct sockaddr_in6 sa;
	socklen_t size = sizeof(sa);

	if (world->server >= 0)
		close(world->server);
	assert_int_equal(addr_from_str(address, &world->addr), 0);
	world->server = open_server(&world->addr, 0, type, backlog);
	assert_return_code(world->server, -world->server);
	assert_return_code(getsockname(world->server, (struct sockaddr *)&sa, &size), errno);
	world->port = ntohs(sa.sin6_port);
}

static void ignore_backend(void *arg, const struct plan_port *port,
			   const struct dp_backend_change *change)
{
	(void)arg;
	(void)port;
	(void)change;
}

/* A Service at frontend:80 in front of the server. Returns its number. */
static uint32_t publish(struct world *world, const char *name, const char *frontend, int type)
{
	struct plan_endpoint endpoint = {
		.addr = world->addr, .port = world->port, .target = (char *)"", .uid = (char *)""};
	struct plan_frontend address = {.port = 80};
	struct plan_port port = {.proto = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
				 .ready = 1};
	struct datapath_result result;
	struct plan plan = {};
	struct plan_list all = plan_list_all(1, 1);

	snprintf(port.name, sizeof(port.name), "%s:80/%s", name,
		 type == SOCK_STREAM ? "tcp" : "udp");
	assert_int_equal(addr_from_str(frontend, &address.addr), 0);
	assert_int_equal(vec_push(&port.frontends, address), 0);
	assert_int_equal(vec_push(&port.endpoints, endpoint), 0);
	assert_int_equal(vec_push(&port.lists, all), 0);
	assert_int_equal(vec_push(&plan.ports, port), 0);
	assert_int_equal(datapath_apply(world->datapath, name, &plan, clock_now(), ignore_backend,
					NULL, &result),
			 0);
	vec_done(&port.frontends);
	vec_done(&port.endpoints);
	vec_done(&port.lists);
	plan_list_done(&all);
	vec_done(&plan.ports);
	return dp_table_port(datapath_table(world->datapath), port.name)->service;
}

/* Returns a connected socket, or -errno; one that is still connecting counts, too. */
static int dial(int family, int type, const char *address, uint16_t port)
{
	struct sockaddr_in6 sa6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in sa4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool is4 = family == AF_INET;
	int fd = socket(family, type | SOCK_CLOEXEC, 0), err;

	inet_pton(family, address, is4 ? (void *)&sa4.sin_addr : (void *)&sa6.sin6_addr);
	if (!connect(fd, is4 ? (struct sockaddr *)&sa4 : (struct sockaddr *)&sa6,
		     is4 ? sizeof(sa4) : sizeof(sa6)) ||
	    errno == EINPROGRESS)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int dial_ok(int family, int type, const char *address, uint16_t port)
{
	int fd = dial(family, type, address, port);

	assert_return_code(fd, -fd);
	return fd;
}

static void run_until(struct world *world, int results)
{
	uint64_t end = clock_now() + 60 * NSEC_PER_SEC;

	while (world->results < results && clock_now() < end)
		assert_int_equal(loop_run_once(world->loop, 100 * NSEC_PER_MSEC), 0);
	assert_int_equal(world->results, results);
}

static void push_as(struct world *world, uint32_t id, uint32_t service, int type)
{
	struct closer_job job = {
		.id = id,
		.proto = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
		.target = {.addr = world->addr, .port = world->port, .service = service},
	};

	assert_int_equal(closer_push(world->closer, &job), 0);
}

static void push(struct world *world, uint32_t service, int type)
{
	push_as(world, JOB, service, type);
}

/* Closes, and says how many it were. */
static size_t close_service(struct world *world, uint32_t service, int type)
{
	push(world, service, type);
	run_until(world, world->results + 1);
	assert_int_equal(world->result.job.id, JOB);
	if (world->result.errors)
		fail_msg("%s", strerror(-world->result.error));
	assert_true(world->result.namespaces > 0);
	return world->result.closed;
}

/* What the application sees, and it sees it without waiting. */
static int pending_error(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	socklen_t size = sizeof(int);
	int error = -1, ready = poll(&pollfd, 1, 0);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
	if (error)
		assert_true(ready == 1 && (pollfd.revents & POLLERR));
	return error;
}

struct family_case {
	const char *name;
	int family;
	int type;
	const char *frontend, *other; /* in the plan */
	const char *dial, *dial_other;
	const char *backend;
	const char *direct;
};

#define V4 "10.96.0.10", "10.96.0.11", "10.96.0.10", "10.96.0.11", "127.0.0.1", "127.0.0.1"
#define MAPPED                                                                             \
	"10.96.0.10", "10.96.0.11", "::ffff:10.96.0.10", "::ffff:10.96.0.11", "127.0.0.1", \
		"::ffff:127.0.0.1"
#define V6 "fd00:10:96::10", "fd00:10:96::11", "fd00:10:96::10", "fd00:10:96::11", "::1", "::1"

static const struct family_case family_cases[] = {
	{"TCP over IPv4", AF_INET, SOCK_STREAM, V4},
	{"TCP over IPv6", AF_INET6, SOCK_STREAM, V6},
	{"TCP over a v4-mapped address", AF_INET6, SOCK_STREAM, MAPPED},
	{"UDP over IPv4", AF_INET, SOCK_DGRAM, V4},
	{"UDP over IPv6", AF_INET6, SOCK_DGRAM, V6},
	{"UDP over a v4-mapped address", AF_INET6, SOCK_DGRAM, MAPPED},
};

static void check_family(struct world *world, const struct family_case *c)
{
	uint32_t service, other;
	int ours, theirs, direct;

	serve(world, c->backend, c->type, 16);
	service = publish(world, "default/web", c->frontend, c->type);
	other = publish(world, "default/other", c->other, c->type);
	ours = dial_ok(c->family, c->type, c->dial, 80);
	theirs = dial_ok(c->family, c->type, c->dial_other, 80);
	direct = dial_ok(c->family, c->type, c->direct, world->port);

	assert_int_equal(close_service(world, service, c->type), 1);
	assert_int_equal(pending_error(ours), ECONNABORTED);
	assert_int_equal(pending_error(theirs), 0);
	assert_int_equal(pending_error(direct), 0);
	assert_int_equal(send(theirs, "x", 1, 0), 1);
	assert_int_equal(send(direct, "x", 1, 0), 1);
	assert_int_equal(close_service(world, service, c->type), 0);

	assert_int_equal(close_service(world, other, c->type), 1);
	assert_int_equal(pending_error(theirs), ECONNABORTED);
	assert_int_equal(pending_error(direct), 0);
	close(ours);
	close(theirs);
	close(direct);
}

static void test_only_the_connections_of_the_service_are_closed(void **state)
{
	for (size_t i = 0; i < sizeof(family_cases) / sizeof(family_cases[0]); i++) {
		print_message("%s\n", family_cases[i].name);
		check_family(*state, &family_cases[i]);
	}
}

static void test_reconnected_socket_is_not_ours_any_more(void **state)
{
	struct world *world = *state;
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sockaddr_storage sa;
	uint32_t service;
	socklen_t size;
	int fd;

	serve(world, "127.0.0.1", SOCK_DGRAM, 0);
	service = publish(world, "default/web", "10.96.0.10", SOCK_DGRAM);
	fd = dial_ok(AF_INET, SOCK_DGRAM, "10.96.0.10", 80);
	size = addr_to_sockaddr(&world->addr, world->port, &sa);
	assert_return_code(connect(fd, &none, sizeof(none)), errno);
	assert_return_code(connect(fd, (struct sockaddr *)&sa, size), errno);
	assert_int_equal(close_service(world, service, SOCK_DGRAM), 0);
	assert_int_equal(pending_error(fd), 0);
	close(fd);
}

/* A full accept queue drops the SYN of the second connection: it hangs in connect(). */
static void test_connecting_socket_is_closed(void **state)
{
	struct world *world = *state;
	struct pollfd queue = {.events = POLLIN};
	struct tcp_info info = {};
	socklen_t size = sizeof(info);
	uint32_t service;
	int first, second;

	serve(world, "127.0.0.1", SOCK_STREAM, 0);
	service = publish(world, "default/web", "10.96.0.10", SOCK_STREAM);
	first = dial_ok(AF_INET, SOCK_STREAM, "127.0.0.1", world->port);
	queue.fd = world->server;
	assert_int_equal(poll(&queue, 1, 10000), 1);
	second = dial_ok(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, "10.96.0.10", 80);
	assert_int_equal(getsockopt(second, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	assert_int_equal(info.tcpi_state, TCP_SYN_SENT);
	assert_int_equal(close_service(world, service, SOCK_STREAM), 1);
	assert_int_equal(pending_error(second), ECONNABORTED);
	assert_int_equal(pending_error(first), 0);
	close(first);
	close(second);
}

/* The server has closed its side, or the client: an answer may still be waited for. */
static void test_half_closed_connections_are_closed(void **state)
{
	struct world *world = *state;
	uint32_t service;
	int a, b;

	serve(world, "127.0.0.1", SOCK_STREAM, 16);
	service = publish(world, "default/web", "10.96.0.10", SOCK_STREAM);
	a = dial_ok(AF_INET, SOCK_STREAM, "10.96.0.10", 80);
	close(accept(world->server, NULL, NULL)); /* a: CLOSE_WAIT */
	b = dial_ok(AF_INET, SOCK_STREAM, "10.96.0.10", 80);
	shutdown(b, SHUT_WR); /* FIN_WAIT2 */
	assert_int_equal(close_service(world, service, SOCK_STREAM), 2);
	assert_int_equal(pending_error(b), ECONNABORTED);
	close(a);
	close(b);
}

static bool loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &request);

	close(fd);
	return up;
}

/* The errno with which a blocking recv() ended, in another network namespace. */
static int hang_elsewhere(const struct world *world, int ready)
{
	char byte;
	int server, fd;

	if (unshare(CLONE_NEWNET) || !loopback_up())
		return 1;
	server = open_server(&world->addr, world->port, SOCK_STREAM, 16);
	fd = server < 0 ? server : dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80);
	if (fd < 0 || write(ready, "r", 1) != 1)
		return 2;
	return recv(fd, &byte, 1, 0) < 0 ? errno : 0;
}

static void test_other_network_namespace(void **state)
{
	struct world *world = *state;
	uint32_t service;
	int ready[2], status, here;
	pid_t pid;
	char byte;

	serve(world, "127.0.0.1", SOCK_STREAM, 16);
	service = publish(world, "default/web", "10.96.0.10", SOCK_STREAM);
	here = dial_ok(AF_INET, SOCK_STREAM, "10.96.0.10", 80);
	assert_return_code(pipe(ready), errno);
	pid = fork();
	if (!pid) {
		close(ready[0]);
		alarm(60);
		_exit(hang_elsewhere(world, ready[1]));
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_int_equal(close_service(world, service, SOCK_STREAM), 2);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ECONNABORTED);
	assert_int_equal(pending_error(here), ECONNABORTED);
	close(here);
}

/* Jobs that are pushed together are one batch; more of them than a query holds are several. */
static void test_many_jobs(void **state)
{
	enum { JOBS = 2 * SOCK_DIAG_MAX_TARGETS + 3 };
	struct world *world = *state;
	uint32_t service;
	int fd;

	serve(world, "::1", SOCK_STREAM, 16);
	service = publish(world, "default/web", "fd00:10:96::10", SOCK_STREAM);
	fd = dial_ok(AF_INET6, SOCK_STREAM, "fd00:10:96::10", 80);
	for (uint32_t i = 0; i < JOBS; i++) {
		struct addr before = world->addr;

		/* All but one have an address that nobody is connected to, of either family. */
		if (i != SOCK_DIAG_MAX_TARGETS + 1)
			world->addr.bytes[i % 2 ? 1 : 10] ^= (uint8_t)(i + 1);
		push(world, service, i % 3 ? SOCK_STREAM : SOCK_DGRAM);
		world->addr = before;
	}
	push_as(world, MARKER, service, SOCK_STREAM);
	run_until(world, JOBS + 1);
	/* It is found by the one job or the other, or by both in different queries. */
	assert_int_equal(world->closed, 1);
	assert_int_equal(world->result.errors, 0);
	assert_int_equal(pending_error(fd), ECONNABORTED);
	close(fd);
}

/* The thread may take some of them before all are pushed, but by far not each. */
static void test_jobs_that_wait_are_done_once(void **state)
{
	enum { PUSHES = 1000 };
	struct world *world = *state;
	uint64_t end = clock_now() + 60 * NSEC_PER_SEC;

	serve(world, "127.0.0.1", SOCK_STREAM, 16);
	for (int i = 0; i < PUSHES; i++)
		push(world, 1, SOCK_STREAM);
	push_as(world, MARKER, 1, SOCK_STREAM);
	while (!world->marker_seen && clock_now() < end)
		assert_int_equal(loop_run_once(world->loop, 100 * NSEC_PER_MSEC), 0);
	assert_true(world->marker_seen);
	assert_in_range(world->results, 2, PUSHES / 10);
}

static void test_many_sockets(void **state)
{
	struct rlimit limit = {.rlim_cur = MANY + 200, .rlim_max = MANY + 200}, before;
	static int fds[MANY];
	struct world *world = *state;
	uint32_t service;

	getrlimit(RLIMIT_NOFILE, &before);
	limit.rlim_max = before.rlim_max > limit.rlim_max ? before.rlim_max : limit.rlim_max;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
	serve(world, "127.0.0.1", SOCK_STREAM, MANY + 1);
	service = publish(world, "default/web", "10.96.0.10", SOCK_STREAM);
	for (int i = 0; i < MANY; i++)
		fds[i] = dial_ok(AF_INET, SOCK_STREAM, "10.96.0.10", 80);
	assert_int_equal(close_service(world, service, SOCK_STREAM), MANY);
	print_message("note: %d connections closed in %u ms, %zu network namespaces\n", MANY,
		      (unsigned int)(world->result.took / NSEC_PER_MSEC), world->result.namespaces);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(pending_error(fds[i]), ECONNABORTED);
		close(fds[i]);
	}
	assert_int_equal(close_service(world, service, SOCK_STREAM), 0);
	print_message("note: none found in %u ms, %zu network namespaces\n",
		      (unsigned int)(world->result.took / NSEC_PER_MSEC), world->result.namespaces);
	setrlimit(RLIMIT_NOFILE, &before);
}

static void test_end_with_work_left(void **state)
{
	struct world *world = *state;

	serve(world, "127.0.0.1", SOCK_STREAM, 16);
	for (int i = 0; i < 200; i++)
		push(world, 1, SOCK_STREAM);
	closer_free(world->closer);
	world->closer = NULL;
	assert_int_equal(loop_run_once(world->loop, 0), 0);
	assert_int_equal(world->results, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_the_connections_of_the_service_are_closed,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_reconnected_socket_is_not_ours_any_more, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_connecting_socket_is_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_closed_connections_are_closed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_other_network_namespace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_jobs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jobs_that_wait_are_done_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_sockets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_with_work_left, setup, teardown),
	};
	const char *missing = sandbox_enter(&sandbox);
	int failed;

	if (missing) {
		printf("skip: %s\n", missing);
		return 77;
	}
	log_set_level(LOG_ERROR);
	failed = cmocka_run_group_tests(tests, open_datapath, close_datapath);
	sandbox_leave(&sandbox);
	return failed;
}

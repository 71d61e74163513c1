/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/rescue_scene.h"

#include "datapath/dp_rescue.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct world_service service = {
	.name = "default/web", .frontend = "10.96.0.10", .proto = IPPROTO_TCP, .count = SERVERS};

static void start_worker(struct scene *scene)
{
	struct rescue_worker_config config = {.cgroup = sandbox.cgroup, .pin_dir = sandbox.pin_dir};

	if (rescue_worker_start(&config, &scene->results, &scene->worker, &problem))
		fail_msg("%s", problem.text);
}

struct scene make_scene(void **state, const char *frontend, const char *address, uint32_t retry_on)
{
	struct scene scene = {.world = *state, .client = -1, .first = -1};

	service.frontend = frontend;
	service.address = address;
	service.retry_on = retry_on;
	service.retry_timeout = service.request_timeout = 0;
	for (int i = 0; i < SERVERS; i++)
		world_serve(scene.world, i, address, SOCK_STREAM);
	world_publish(scene.world, &service);
	start_worker(&scene);
	return scene;
}

void end_scene(struct scene *scene)
{
	rescue_worker_stop(scene->worker);
	close(scene->client);
	close(scene->first);
}

void limit_waiting(int fd)
{
	struct timeval limit = {.tv_sec = 20}; /* emulated machines are slow */

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

int accept_any(const struct world *world)
{
	struct pollfd fds[SERVERS];
	int fd = -1;

	for (int i = 0; i < SERVERS; i++)
		fds[i] = (struct pollfd){.fd = world->servers[i], .events = POLLIN};
	assert_true(poll(fds, SERVERS, 20000) > 0);
	for (int i = 0; i < SERVERS && fd < 0; i++) {
		if (fds[i].revents)
			fd = accept4(fds[i].fd, NULL, NULL, SOCK_CLOEXEC);
	}
	assert_true(fd >= 0);
	limit_waiting(fd);
	return fd;
}

bool nobody_comes(const struct world *world)
{
	struct pollfd fds[SERVERS];

	for (int i = 0; i < SERVERS; i++)
		fds[i] = (struct pollfd){.fd = world->servers[i], .events = POLLIN};
	return poll(fds, SERVERS, 100) == 0;
}

void dial(struct scene *scene)
{
	scene->client = world_dial(strchr(service.frontend, ':') ? AF_INET6 : AF_INET, SOCK_STREAM,
				   service.frontend, 80);
	assert_true(scene->client >= 0);
	limit_waiting(scene->client);
}

void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void hear(int fd, const char *text)
{
	char got[8192];
	size_t used = 0;

	while (used < strlen(text)) {
		ssize_t n = recv(fd, got + used, strlen(text) - used, 0);

		if (n <= 0)
			break;
		used += (size_t)n;
	}
	got[used] = '\0';
	assert_string_equal(got, text);
}

void hear_end(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

void hear_reset(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

void close_with_reset(int *fd)
{
	world_reset(*fd);
	*fd = -1;
}

void expect_left_alone(struct scene *scene)
{
	struct sockaddr_storage sa;
	socklen_t len = world_sockaddr(AF_INET, service.frontend, 80, &sa);

	assert_int_equal(connect(scene->client, (struct sockaddr *)&sa, len), 0);
	scene->first = accept_any(scene->world);
	say(scene->client, GET);
	hear(scene->first, GET);
	say(scene->first, ERR);
	hear(scene->client, ERR);
	rescue_worker_results(scene->worker, &scene->results);
	assert_int_equal(scene->results.notes, 0);
}

void ask(struct scene *scene, const char *request)
{
	dial(scene);
	scene->first = accept_any(scene->world);
	say(scene->client, request);
	hear(scene->first, request);
}

void expect_rescue(struct scene *scene, const char *request)
{
	int second = accept_any(scene->world);

	hear(second, request);
	say(second, OK);
	hear(scene->client, RESCUED);
	hear_end(scene->client);
	close(second);
}

struct dp_rescue *replace_worker(struct scene *scene)
{
	struct dp_rescue *rescue;

	rescue_worker_stop(scene->worker);
	scene->worker = NULL;
	assert_int_equal(dp_rescue_open(sandbox.cgroup, sandbox.pin_dir, &rescue, &problem), 0);
	assert_int_equal(dp_rescue_attach(rescue), 0);
	return rescue;
}

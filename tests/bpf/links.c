/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/links.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

const char link_good[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const char link_bad[] = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

void links_publish_on(struct world *world, const char *frontend, const char *address, size_t count)
{
	for (size_t i = 0; i < count; i++)
		world_serve(world, (int)i, address, SOCK_STREAM);
	world_publish(world, &(struct world_service){.name = "default/web",
						     .frontend = frontend,
						     .proto = IPPROTO_TCP,
						     .address = address,
						     .count = count,
						     .steer = {.outlier_5xx = 3}});
}

void links_publish(struct world *world, size_t count)
{
	links_publish_on(world, "10.96.0.10", "127.0.0.1", count);
}

/* A connection that waits at that server; -1: none. */
static int take_pending(const struct world *world, int server)
{
	struct pollfd ready = {.fd = world->servers[server], .events = POLLIN};

	return poll(&ready, 1, 0) == 1 ? accept(ready.fd, NULL, NULL) : -1;
}

void links_drop_pending(const struct world *world)
{
	for (int i = 0; i < WORLD_SERVERS; i++) {
		int fd = world->servers[i] >= 0 ? take_pending(world, i) : -1;

		if (fd >= 0)
			close(fd);
	}
}

struct link link_to(const struct world *world, int server, int family, const char *address)
{
	for (int tries = 0; tries < 1000; tries++) {
		struct link link = {.client = world_dial(family, SOCK_STREAM, address, 80)};

		assert_true(link.client >= 0);
		link.server = take_pending(world, server);
		if (link.server >= 0)
			return link;
		close(link.client);
		links_drop_pending(world);
	}
	fail_msg("server %d is never chosen", server);
	return (struct link){-1, -1};
}

struct link link_web(const struct world *world, int server)
{
	return link_to(world, server, AF_INET, "10.96.0.10");
}

void link_put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void link_take(int fd, const char *text)
{
	char buffer[512];
	size_t size = 0;

	while (size < strlen(text)) {
		ssize_t n = recv(fd, buffer + size, strlen(text) - size, 0);

		assert_true(n > 0);
		size += (size_t)n;
	}
	assert_memory_equal(buffer, text, size);
}

void link_respond(const struct link *link, const char *response)
{
	link_put(link->client, "GET / HTTP/1.1\r\n\r\n");
	link_take(link->server, "GET / HTTP/1.1\r\n\r\n");
	link_put(link->server, response);
	link_take(link->client, response);
}

void link_end(const struct link *link)
{
	close(link->client);
	close(link->server);
}

void link_answer_once(const struct world *world, int server, const char *response)
{
	struct link link = link_web(world, server);

	link_respond(&link, response);
	link_end(&link);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server on the loop of the test: it accepts, and answers each request with the status that the
 * test has set. Include after <cmocka.h>.
 */
#pragma once

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/container_of.h"
#include "loop/loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNS_MAX = 64 };

struct conn {
	struct loop_io io;
	struct server *server;
	char request[1024];
	size_t size;
};

struct server {
	struct loop *loop; /* set by the test */
	struct loop_io io; /* its fd is -1 when closed: set by the test */
	struct addr addr;
	uint16_t port;
	int status;           /* 0: no answer */
	const char *location; /* NULL: "/elsewhere" */
	unsigned int accepted, requests;
	char request[1024]; /* the last one */
	struct conn conns[CONNS_MAX];
};

static void conn_close(struct conn *conn)
{
	loop_io_del(&conn->io);
	close(conn->io.fd);
	conn->server = NULL;
}

static void conn_answer(struct conn *conn)
{
	struct server *server = conn->server;
	char answer[256];

	server->requests++;
	memcpy(server->request, conn->request, sizeof(server->request));
	if (!server->status)
		return;
	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 %d Whatever\r\nLocation: %s\r\nContent-Length: 2\r\n\r\nhi",
		 server->status, server->location ? server->location : "/elsewhere");
	assert_int_equal(send(conn->io.fd, answer, strlen(answer), MSG_NOSIGNAL), strlen(answer));
}

static void conn_on_io(struct loop_io *io, uint32_t events)
{
	struct conn *conn = container_of(io, struct conn, io);
	ssize_t n = recv(io->fd, conn->request + conn->size, sizeof(conn->request) - 1 - conn->size,
			 MSG_DONTWAIT);

	(void)events;
	if (n <= 0) {
		conn_close(conn);
		return;
	}
	conn->size += (size_t)n;
	if (strstr(conn->request, "\r\n\r\n"))
		conn_answer(conn);
}

static struct conn *conn_free_slot(struct server *server)
{
	for (size_t i = 0; i < CONNS_MAX; i++) {
		if (!server->conns[i].server)
			return &server->conns[i];
	}
	fail_msg("too many connections");
	return NULL;
}

static void server_on_io(struct loop_io *io, uint32_t events)
{
	struct server *server = container_of(io, struct server, io);
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *conn;

	(void)events;
	if (fd < 0)
		return;
	server->accepted++;
	conn = conn_free_slot(server);
	*conn = (struct conn){.io = {.fn = conn_on_io, .fd = fd}, .server = server};
	assert_int_equal(loop_io_add(server->loop, &conn->io, EPOLLIN), 0);
}

static int bind_to(const struct addr *addr, uint16_t port)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(addr, port, &sa);
	int one = 1;

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, len) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 sa = {}; /* sin_port and sin6_port are at the same place */
	socklen_t len = sizeof(sa);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin6_port);
}

/* Binds, to the same port as before if there was one. Returns false if the address is missing. */
static bool server_bind(struct server *server, const char *text)
{
	assert_int_equal(addr_from_str(text, &server->addr), 0);
	server->io = (struct loop_io){.fn = server_on_io};
	server->io.fd = bind_to(&server->addr, server->port);
	if (server->io.fd < 0)
		return false;
	server->port = port_of(server->io.fd);
	return true;
}

static void server_listen(struct server *server)
{
	assert_int_equal(listen(server->io.fd, CONNS_MAX), 0);
	assert_int_equal(loop_io_add(server->loop, &server->io, EPOLLIN), 0);
}

static void server_open(struct server *server, int status)
{
	server->status = status;
	assert_true(server_bind(server, "127.0.0.1"));
	server_listen(server);
}

static void server_close(struct server *server)
{
	if (server->io.fd < 0)
		return;
	loop_io_del(&server->io);
	close(server->io.fd);
	server->io.fd = -1;
	for (size_t i = 0; i < CONNS_MAX; i++) {
		if (server->conns[i].server)
			conn_close(&server->conns[i]);
	}
}

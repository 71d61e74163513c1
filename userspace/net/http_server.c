/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd without threads: its epoll descriptor is a source of the loop, its next time-out a
 * timer. Both lead to MHD_run(), after which the time-out is asked for again.
 */
#include "net/http_server.h"

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "loop/loop.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

enum { CONNECTIONS_MAX = 256, TIMEOUT_SECONDS = 2, BACKLOG = 64 };

struct http_server {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_io io;
	struct loop_timer timer;
	http_server_fn *fn;
	void *arg;
	unsigned int port;
	bool all_methods;
};

/* Answers */

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct http_reply *reply,
				  const char *header, const char *value)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer(reply->size, reply->body, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(reply->body);
		return MHD_NO;
	}
	if (value)
		MHD_add_response_header(response, header, value);
	for (size_t i = 0; i < HTTP_REPLY_HEADERS; i++) {
		if (reply->headers[i].name)
			MHD_add_response_header(response, reply->headers[i].name,
						reply->headers[i].value);
	}
	result = MHD_queue_response(connection, (unsigned int)reply->status, response);
	MHD_destroy_response(response);
	return result;
}

/*
 * Called when the headers are there, then for each piece of a body, then at the end. Whoever answers
 * before the end gives the connection up, which is right only for 405. For HEAD, libmicrohttpd
 * leaves the body of the answer out.
 */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **request_state)
{
	const struct http_server *server = arg;
	struct http_reply reply = {};

	(void)version;
	(void)upload;
	if (!server->all_methods && strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		reply.status = MHD_HTTP_METHOD_NOT_ALLOWED;
		return send_reply(connection, &reply, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	}
	if (!*request_state || *upload_size) {
		*request_state = arg; /* anything but NULL */
		*upload_size = 0;     /* taken, ignored */
		return MHD_YES;
	}
	server->fn(server->arg, path, &reply);
	return send_reply(connection, &reply, MHD_HTTP_HEADER_CONTENT_TYPE, reply.content_type);
}

/* Loop */

static void run_daemon(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	MHD_run(server->daemon);
	if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES)
		loop_timer_arm(server->loop, &server->timer,
			       loop_now(server->loop) + timeout_ms * NSEC_PER_MSEC);
	else
		loop_timer_cancel(&server->timer);
}

static void daemon_ready(struct loop_io *io, uint32_t events)
{
	(void)events;
	run_daemon(container_of(io, struct http_server, io));
}

static void daemon_timeout(struct loop_timer *timer, uint64_t now)
{
	(void)now;
	run_daemon(container_of(timer, struct http_server, timer));
}

/* Listening */

static int parse_port(const char *text, uint16_t *ret)
{
	unsigned int port = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		port = port * 10 + (unsigned int)(*text - '0');
		if (port > UINT16_MAX)
			return -EINVAL;
	}
	*ret = (uint16_t)port;
	return 0;
}

/* Splits "10.0.0.1:80" and "[2001:db8::1]:80". */
static int parse_address(const char *text, struct addr *ret_addr, uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	char host[ADDR_STR_SIZE + 2];
	bool brackets;
	struct addr addr;
	size_t len;

	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	brackets = text[0] == '[' && colon[-1] == ']';
	len = (size_t)(colon - text) - (brackets ? 2 : 0);
	memcpy(host, text + brackets, len);
	host[len] = '\0';
	if (addr_from_str(host, &addr) < 0 || brackets != !!strchr(host, ':'))
		return -EINVAL;
	if (parse_port(colon + 1, ret_port) < 0)
		return -EINVAL;
	*ret_addr = addr;
	return 0;
}

/* Returns a listening socket or -errno. */
static int open_listener(const struct addr *addr, uint16_t port)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage sa;
	socklen_t sa_len = addr_to_sockaddr(addr, port, &sa);
	const int on = 1;

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	/* "[::]" is all of IPv6, not IPv4, too. */
	if (sa.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&sa, sa_len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static unsigned int port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa = {};
	socklen_t len = sizeof(sa);

	if (getsockname(fd, &sa.any, &len) < 0)
		return 0;
	return ntohs(sa.any.sa_family == AF_INET6 ? sa.v6.sin6_port : sa.v4.sin_port);
}

static struct MHD_Daemon *start_daemon(struct http_server *server, int listener)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, server,
				MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
				(unsigned int)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
				(unsigned int)TIMEOUT_SECONDS, MHD_OPTION_END);
}

static int watch_daemon(struct http_server *server)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	if (!info)
		return -EIO;
	server->io = (struct loop_io){.fn = daemon_ready, .fd = info->epoll_fd};
	return loop_io_add(server->loop, &server->io, EPOLLIN);
}

static void cleanup_server(struct http_server **server)
{
	http_server_free(*server);
}

int http_server_new(struct loop *loop, const char *address, http_server_fn *fn, void *arg,
		    struct http_server **ret)
{
	_cleanup_(cleanup_server) struct http_server *server = NULL;
	_cleanup_close_ int fd = -1;
	struct addr addr;
	uint16_t port;
	int r;

	r = parse_address(address, &addr, &port);
	if (r < 0)
		return r;
	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->fn = fn;
	server->arg = arg;
	server->timer.fn = daemon_timeout;
	fd = open_listener(&addr, port);
	if (fd < 0)
		return fd;
	server->port = port_of(fd);
	server->daemon = start_daemon(server, fd);
	if (!server->daemon)
		return -EIO;
	(void)TAKE_FD(fd); /* the daemon closes it */
	r = watch_daemon(server);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(server);
	return 0;
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	loop_timer_cancel(&server->timer);
	loop_io_del(&server->io);
	if (server->daemon)
		MHD_stop_daemon(server->daemon);
	free(server);
}

void http_server_answer_all(struct http_server *server)
{
	server->all_methods = true;
}

unsigned int http_server_port(const struct http_server *server)
{
	return server->port;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server of a test pod: one thread, keep-alive as HTTP/1.0 and 1.1 have it, requests in
 * any number of pieces and pipelined.
 *
 * usage: webapp [-a ADDRESS] [-n NAME] PORT        (default: all addresses, both families)
 *
 * Every answer has the header X-Pod: NAME. GET /hostname answers NAME, everything else "OK".
 * GET /err switches over: from then on all but /err is answered with 500, until the next /err.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
	int fd;
	size_t used;
	char in[8192]; /* the request so far, NUL-terminated */
};

static const char *name = "pod";
static bool failing;

static int listen_on(const char *address, const char *port)
{
	struct addrinfo hints = {
		.ai_family = address ? AF_UNSPEC : AF_INET6,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *ai;
	int on = 1, off = 0;

	if (getaddrinfo(address, port, &hints, &ai))
		return -EINVAL;

	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!address)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, 4096))
		fd = -errno;
	freeaddrinfo(ai);
	return fd;
}

static bool wants_keep_alive(const char *request)
{
	if (strstr(request, " HTTP/1.1\r\n"))
		return !strcasestr(request, "\nConnection: close");
	return strcasestr(request, "\nConnection: keep-alive");
}

/* Answers one whole request. Returns whether the connection stays open. */
static bool answer(int fd, const char *request)
{
	char out[512];
	const char *status = "200 OK", *body = "OK";
	bool keep = wants_keep_alive(request);

	if (!strncmp(request, "GET /err ", 9)) {
		failing = !failing;
		body = failing ? "failing" : "serving";
	} else if (failing) {
		status = "500 Internal Server Error";
		body = "ERROR";
	} else if (!strncmp(request, "GET /hostname ", 14)) {
		body = name;
	}

	int n = snprintf(out, sizeof(out),
			 "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
			 "X-Pod: %s\r\nConnection: %s\r\n\r\n%s",
			 status, strlen(body), name, keep ? "keep-alive" : "close", body);
	return write(fd, out, (size_t)n) == n && keep;
}

/* Reads what is there and answers what is whole. Returns whether the connection stays open. */
static bool serve(struct connection *connection)
{
	size_t space = sizeof(connection->in) - 1 - connection->used;
	ssize_t n = read(connection->fd, connection->in + connection->used, space);

	if (n < 0)
		return errno == EAGAIN;
	if (n == 0)
		return false;
	connection->used += (size_t)n;
	connection->in[connection->used] = '\0';

	char *end;
	while ((end = strstr(connection->in, "\r\n\r\n"))) {
		size_t size = (size_t)(end - connection->in) + 4;
		end[2] = '\0';
		if (!answer(connection->fd, connection->in))
			return false;
		connection->used -= size;
		memmove(connection->in, connection->in + size, connection->used + 1);
	}
	return connection->used < sizeof(connection->in) - 1;
}

static void accept_all(int epoll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *connection = calloc(1, sizeof(*connection));
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

		if (!connection) {
			close(fd);
			continue;
		}
		connection->fd = fd;
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	}
}

static void run(int listener)
{
	struct epoll_event events[64], event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct connection *connection = events[i].data.ptr;

			if (!connection) {
				accept_all(epoll, listener);
			} else if (!serve(connection)) {
				close(connection->fd);
				free(connection);
			}
		}
	}
}

int main(int argc, char **argv)
{
	const char *address = NULL;
	int option;

	while ((option = getopt(argc, argv, "a:n:")) != -1) {
		if (option == 'a')
			address = optarg;
		else if (option == 'n')
			name = optarg;
		else
			return 2;
	}
	if (optind != argc - 1) {
		fprintf(stderr, "usage: webapp [-a ADDRESS] [-n NAME] PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);

	int listener = listen_on(address, argv[optind]);
	if (listener < 0) {
		fprintf(stderr, "webapp: port %s: %s\n", argv[optind], strerror(-listener));
		return 1;
	}
	run(listener);
}

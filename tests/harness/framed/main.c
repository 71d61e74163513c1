/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod for the tests of rescue: each request names the framing of its response (response.h), and the
 * pod fails in the way that it is told to (mode.h).
 *
 * usage: framed PORT CONTROL-PORT
 *
 * A request to CONTROL-PORT, `curl http://POD:CONTROL-PORT/MODE`, sets the mode. A thread for each
 * connection; all addresses, both families.
 */
#include "connection.h"
#include "mode.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK_SIZE (128U << 10)

/* Returns a listening socket or -errno. */
static int listen_on(uint16_t port)
{
	struct sockaddr_in6 address = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_ANY_INIT,
	};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4096)) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static void *serve_thread(void *argument)
{
	connection_serve((int)(intptr_t)argument);
	return NULL;
}

static void accept_one(int listener, const pthread_attr_t *attributes)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	pthread_t thread;

	if (fd >= 0 && pthread_create(&thread, attributes, serve_thread, (void *)(intptr_t)fd))
		close(fd);
}

/* Serves a request for another mode. Returns the listener, which that may close or open anew. */
static int control_one(int control, int listener, uint16_t port)
{
	int fd = accept4(control, NULL, NULL, SOCK_CLOEXEC);
	const char *reply = "HTTP/1.0 400 Bad Request\r\n\r\n";
	char request[512] = "", text[64];
	struct mode mode;

	if (fd < 0)
		return listener;
	if (recv(fd, request, sizeof(request) - 1, 0) > 0 &&
	    sscanf(request, "GET /%63s", text) == 1 && !mode_parse(text, &mode)) {
		mode_set(&mode);
		if (mode.kind == MODE_REFUSE && listener >= 0) {
			close(listener);
			listener = -1;
		} else if (mode.kind != MODE_REFUSE && listener < 0) {
			listener = listen_on(port);
		}
		reply = "HTTP/1.0 200 OK\r\n\r\n";
	}
	send(fd, reply, strlen(reply), MSG_NOSIGNAL);
	close(fd);
	return listener;
}

static void run(int listener, int control, uint16_t port)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	for (;;) {
		struct pollfd fds[] = {
			{.fd = listener, .events = POLLIN},
			{.fd = control, .events = POLLIN},
		};

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			accept_one(listener, &attributes);
		if (fds[1].revents)
			listener = control_one(control, listener, port);
	}
}

int main(int argc, char **argv)
{
	uint16_t port, control_port;

	if (argc != 3 || sscanf(argv[1], "%hu", &port) != 1 ||
	    sscanf(argv[2], "%hu", &control_port) != 1) {
		fprintf(stderr, "usage: framed PORT CONTROL-PORT\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);

	int listener = listen_on(port), control = listen_on(control_port);
	if (listener < 0 || control < 0) {
		fprintf(stderr, "framed: %s\n", strerror(-(listener < 0 ? listener : control)));
		return 1;
	}
	run(listener, control, port);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gRPC server of a test pod that knows grpc.health.v1.Health/Check and nothing else: plaintext
 * HTTP/2 as far as that needs it, one thread.
 *
 * usage: grpchealth PORT
 *
 * The service "" is SERVING, until SIGUSR1 makes it NOT_SERVING, and the next one SERVING again. The
 * service "sick" is always NOT_SERVING; another one is not known: NOT_FOUND. SIGUSR2 makes every call
 * UNIMPLEMENTED, as of a server without the health service.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME_DATA = 0, FRAME_HEADERS = 1, FRAME_SETTINGS = 4, FRAME_PING = 6, FRAME_GOAWAY = 7 };
enum { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_END_HEADERS = 4, FLAG_PADDED = 8 };
enum { FRAME_HEAD = 9, PREFACE = 24, GRPC_PREFIX = 5 };

struct connection {
	int fd;
	bool greeted; /* the preface has come */
	size_t used;
	uint8_t in[20000];
};

static volatile sig_atomic_t sick, unimplemented;

static void on_signal(int signo)
{
	if (signo == SIGUSR1)
		sick = !sick;
	else
		unimplemented = !unimplemented;
}

static bool send_frame(int fd, uint8_t type, uint8_t flags, const uint8_t *stream, const void *data,
		       size_t size)
{
	uint8_t frame[256] = {0, 0, (uint8_t)size, type, flags};

	if (stream)
		memcpy(frame + 5, stream, 4);
	if (size)
		memcpy(frame + FRAME_HEAD, data, size);
	return send(fd, frame, FRAME_HEAD + size, MSG_NOSIGNAL) == (ssize_t)(FRAME_HEAD + size);
}

/* HPACK: a literal without indexing, with a new name; both shorter than 127 bytes. */
static size_t put_header(uint8_t *out, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value), at = 0;

	out[at++] = 0;
	out[at++] = (uint8_t)name_len;
	memcpy(out + at, name, name_len);
	at += name_len;
	out[at++] = (uint8_t)value_len;
	memcpy(out + at, value, value_len);
	return at + value_len;
}

static bool send_answer(int fd, const uint8_t *stream, const char *grpc_status, int serving)
{
	uint8_t head[128] = {0x88}; /* ":status: 200" of the static table */
	uint8_t message[] = {0, 0, 0, 0, 2, 1 << 3, (uint8_t)serving};
	uint8_t trailer[64];
	size_t size = 1 + put_header(head + 1, "content-type", "application/grpc");

	if (serving < 0) { /* "trailers only" */
		size += put_header(head + size, "grpc-status", grpc_status);
		return send_frame(fd, FRAME_HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, stream,
				  head, size);
	}
	return send_frame(fd, FRAME_HEADERS, FLAG_END_HEADERS, stream, head, size) &&
	       send_frame(fd, FRAME_DATA, 0, stream, message, sizeof(message)) &&
	       send_frame(fd, FRAME_HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, stream, trailer,
			  put_header(trailer, "grpc-status", grpc_status));
}

/* A request message: the prefix, then nothing or the field 1 with the name of the service. */
static bool answer_call(int fd, const uint8_t *stream, const uint8_t *data, size_t size)
{
	if (unimplemented)
		return send_answer(fd, stream, "12", -1);
	if (size == GRPC_PREFIX)
		return send_answer(fd, stream, "0", sick ? 2 : 1);
	if (size == GRPC_PREFIX + 6 && !memcmp(data + GRPC_PREFIX, "\x0a\x04sick", 6))
		return send_answer(fd, stream, "0", 2);
	return send_answer(fd, stream, "5", -1);
}

static bool handle_frame(int fd, const uint8_t *frame, size_t size)
{
	uint8_t type = frame[3], flags = frame[4];
	const uint8_t *stream = frame + 5, *data = frame + FRAME_HEAD;

	switch (type) {
	case FRAME_SETTINGS:
		return flags & FLAG_ACK || send_frame(fd, FRAME_SETTINGS, FLAG_ACK, NULL, NULL, 0);
	case FRAME_PING:
		return flags & FLAG_ACK ||
		       (size == 8 && send_frame(fd, FRAME_PING, FLAG_ACK, NULL, data, size));
	case FRAME_DATA:
		if (flags & FLAG_PADDED || !(flags & FLAG_END_STREAM))
			return false; /* no client sends so small a message like that */
		return answer_call(fd, stream, data, size);
	case FRAME_GOAWAY:
		return false;
	default:
		return true;
	}
}

static void drop(struct connection *connection, size_t size)
{
	connection->used -= size;
	memmove(connection->in, connection->in + size, connection->used);
}

static bool greet(struct connection *connection)
{
	if (connection->used < PREFACE)
		return true;
	if (memcmp(connection->in, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PREFACE) != 0)
		return false;
	connection->greeted = true;
	drop(connection, PREFACE);
	return send_frame(connection->fd, FRAME_SETTINGS, 0, NULL, NULL, 0);
}

/* Reads what is there and answers what is whole. Returns whether the connection stays open. */
static bool serve(struct connection *connection)
{
	ssize_t n = read(connection->fd, connection->in + connection->used,
			 sizeof(connection->in) - connection->used);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	connection->used += (size_t)n;
	if (!connection->greeted && !greet(connection))
		return false;
	while (connection->greeted && connection->used >= FRAME_HEAD) {
		const uint8_t *in = connection->in;
		size_t size = (size_t)in[0] << 16 | (size_t)in[1] << 8 | in[2];

		if (FRAME_HEAD + size > sizeof(connection->in))
			return false;
		if (connection->used < FRAME_HEAD + size)
			break;
		if (!handle_frame(connection->fd, in, size))
			return false;
		drop(connection, FRAME_HEAD + size);
	}
	return true;
}

static void accept_one(int epoll, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *connection = fd < 0 ? NULL : calloc(1, sizeof(*connection));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

	if (!connection)
		return;
	connection->fd = fd;
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void run(int listener)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		struct connection *connection;

		if (epoll_wait(epoll, &event, 1, -1) != 1)
			continue;
		connection = event.data.ptr;
		if (!connection) {
			accept_one(epoll, listener);
		} else if (!serve(connection)) {
			close(connection->fd);
			free(connection);
		}
	}
}

int main(int argc, char *argv[])
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	unsigned int port;

	if (argc != 2 || sscanf(argv[1], "%u", &port) != 1 || port > UINT16_MAX) {
		fprintf(stderr, "usage: grpchealth PORT\n");
		return 2;
	}
	sa.sin6_port = htons((uint16_t)port);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 128)) {
		perror("grpchealth");
		return 1;
	}
	run(fd);
}

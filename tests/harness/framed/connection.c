/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include "mode.h"
#include "response.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_LIMIT (1U << 20)

struct connection {
	int fd;
	char peer[INET6_ADDRSTRLEN];
	size_t used;
	char in[REQUEST_LIMIT + 1]; /* what came and is not yet answered, NUL-terminated */
};

enum verdict {
	KEEP,
	END,
	END_RESET,
};

/* Returns the value of a header of the head that ends at `end`, or NULL. */
static const char *header_find(const char *head, const char *end, const char *name)
{
	size_t size = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line && line < end;
	     line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, name, size) || line[2 + size] != ':')
			continue;
		const char *value = line + 3 + size;
		return value + strspn(value, " \t");
	}
	return NULL;
}

/* The size of a chunked body with its trailers, or 0 if it is not whole yet. */
static size_t chunked_size(const char *body)
{
	const char *at = body;
	unsigned int chunk;

	for (;;) {
		const char *line_end = strstr(at, "\r\n");
		if (!line_end || sscanf(at, "%x", &chunk) != 1)
			return 0;
		at = line_end + 2;
		if (chunk == 0)
			break;
		if (strnlen(at, chunk + 2) < chunk + 2)
			return 0;
		at += chunk + 2;
	}
	const char *end = strncmp(at, "\r\n", 2) ? strstr(at, "\r\n\r\n") : at - 2;
	return end ? (size_t)(end + 4 - body) : 0;
}

/* The size of the first request in the buffer, or 0 if it is not whole yet. */
static size_t request_size(const struct connection *connection)
{
	const char *in = connection->in, *end = strstr(in, "\r\n\r\n");
	size_t head, body = 0;

	if (!end)
		return 0;
	head = (size_t)(end + 4 - in);
	const char *length = header_find(in, end, "Content-Length");
	if (header_find(in, end, "Transfer-Encoding")) {
		body = chunked_size(end + 4);
		return body ? head + body : 0;
	}
	if (length && sscanf(length, "%zu", &body) != 1)
		return head;
	return head + body <= connection->used ? head + body : 0;
}

static void persistence_set(struct request *request, const char *head, const char *end)
{
	const char *value = header_find(head, end, "Connection");
	const char *line_end = strstr(head, "\r\n");

	request->http10 = line_end - head < 8 || strncmp(line_end - 8, "HTTP/1.1", 8);
	if (request->http10)
		request->keep_alive = value && !strncasecmp(value, "keep-alive", 10);
	else
		request->keep_alive = !value || strncasecmp(value, "close", 5);
}

/* Sends the first `size` bytes of a response. Returns 0 or -errno. */
static int bytes_send(int fd, const struct response *response, size_t size)
{
	size_t at = 0;

	while (at < size) {
		size_t left = size - at, piece = left < response->piece ? left : response->piece;
		ssize_t n = send(fd, response->bytes + at, piece, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		at += (size_t)n;
		if (response->pause_us)
			usleep(response->pause_us);
	}
	return 0;
}

static enum verdict response_send(int fd, const struct response *response)
{
	bool cut = response->cut < response->size;

	if (bytes_send(fd, response, cut ? response->cut : response->size))
		return END;
	if (cut)
		return response->cut_reset ? END_RESET : END;
	return response->close ? END : KEEP;
}

/* Waits until the client ends the connection. */
static enum verdict hang(int fd)
{
	char dump[4096];

	while (recv(fd, dump, sizeof(dump), 0) > 0)
		;
	return END;
}

static enum verdict answer(int fd, const struct request *request, const struct mode *mode)
{
	struct response response;
	int error;

	if (mode->kind != MODE_OK && mode->pause_ms)
		usleep(mode->pause_ms * 1000);
	switch (mode->kind) {
	case MODE_HANG:
		return hang(fd);
	case MODE_FIN:
	case MODE_ACCEPT_FIN:
		return END;
	case MODE_RESET:
	case MODE_RESET_EARLY:
	case MODE_ACCEPT_RESET:
		return END_RESET;
	case MODE_STATUS:
		error = response_make_status((unsigned int)mode->argument, request, &response);
		break;
	default:
		error = response_make(request, &response);
	}
	if (error)
		return END;
	if (mode->kind == MODE_CUT || mode->kind == MODE_CUT_RESET) {
		response.cut = mode->argument;
		response.cut_reset = mode->kind == MODE_CUT_RESET;
	}

	enum verdict verdict = response_send(fd, &response);
	free(response.bytes);
	return verdict;
}

/* Takes the first request, of `size` bytes, from the buffer and answers it. */
static enum verdict request_serve(struct connection *connection, size_t size)
{
	struct mode mode = mode_get();
	struct request request = {.bytes = connection->in, .size = size};
	const char *end = strstr(connection->in, "\r\n\r\n");
	const char *attempt = header_find(connection->in, end, "Swerve-Attempt");
	unsigned int number = 1;

	if (sscanf(connection->in, "%15s %511s", request.method, request.path) != 2)
		return END;
	persistence_set(&request, connection->in, end);
	if (attempt && sscanf(attempt, "%u", &number) != 1)
		number = 0;
	if (attempt && mode.first_only)
		mode.kind = MODE_OK;
	printf("%s %s body=%zu attempt=%u mode=%s from=%s\n", request.method, request.path,
	       size - (size_t)(end + 4 - connection->in), number, mode_name(mode.kind),
	       connection->peer);

	enum verdict verdict = answer(connection->fd, &request, &mode);
	connection->used -= size;
	memmove(connection->in, connection->in + size, connection->used + 1);
	return verdict;
}

/* Whether the connection is to be reset before its request is whole. */
static bool resets_early(const struct connection *connection)
{
	struct mode mode = mode_get();

	return mode.kind == MODE_RESET_EARLY && connection->used >= mode.argument &&
	       !(mode.first_only && strcasestr(connection->in, "\nSwerve-Attempt:"));
}

static enum verdict input_serve(struct connection *connection)
{
	size_t space = REQUEST_LIMIT - connection->used, size;
	ssize_t n = space ? recv(connection->fd, connection->in + connection->used, space, 0) : -1;
	enum verdict verdict = KEEP;

	if (n <= 0)
		return END;
	connection->used += (size_t)n;
	connection->in[connection->used] = '\0';
	if (resets_early(connection))
		return END_RESET;
	while (verdict == KEEP && (size = request_size(connection)))
		verdict = request_serve(connection, size);
	return verdict;
}

static void name_peer(int fd, char *ret, socklen_t size)
{
	struct sockaddr_storage peer;
	socklen_t peer_size = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) ||
	    getnameinfo((struct sockaddr *)&peer, peer_size, ret, size, NULL, 0, NI_NUMERICHOST))
		*ret = '\0';
}

void connection_serve(int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	struct linger reset = {.l_onoff = 1};
	struct mode mode = mode_get();
	enum verdict verdict = KEEP;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!connection || (mode.kind == MODE_ACCEPT_FIN && !mode.first_only))
		verdict = END;
	else if (mode.kind == MODE_ACCEPT_RESET && !mode.first_only)
		verdict = END_RESET;
	else
		connection->fd = fd;
	if (connection)
		name_peer(fd, connection->peer, sizeof(connection->peer));
	while (verdict == KEEP)
		verdict = input_serve(connection);
	if (verdict == END_RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	free(connection);
}

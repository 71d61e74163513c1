/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An API server on the loop of the test: it answers lists from texts that the test sets, keeps
 * watches open for the test to write to, and answers as the test says where it says something.
 * Include after <cmocka.h>.
 */
#pragma once

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/container_of.h"
#include "loop/loop.h"
#include "model/model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { API_CONNS = 32, API_ANSWERS = 8, API_REQUEST_SIZE = 4096 };

struct api_conn {
	struct loop_io io;
	struct api *api; /* NULL: free */
	char request[API_REQUEST_SIZE];
	size_t size;
};

/* Of one resource. */
struct api_resource {
	const char *items;   /* JSON, without the brackets around them; NULL: 404. Of pods: each */
	const char *version; /* of lists */
	const char *list_answers[API_ANSWERS];  /* raw ones, to the first lists; NULL: the items */
	const char *watch_answers[API_ANSWERS]; /* raw ones, to the first watches */
	size_t lists, watches;                  /* requests seen */
	char request[API_REQUEST_SIZE];         /* the last one */
	uint64_t last;                          /* when it came */
	struct api_conn *watch;                 /* the one that is open */
};

struct api {
	struct loop *loop;
	struct loop_io io;
	uint16_t port;
	struct api_conn conns[API_CONNS];
	struct api_resource resources[OBJECT_KIND_COUNT];
	const char *token; /* NULL: any; else others are answered with 401 */
};

static inline void api_conn_close(struct api_conn *conn)
{
	for (size_t i = 0; i < OBJECT_KIND_COUNT; i++) {
		if (conn->api->resources[i].watch == conn)
			conn->api->resources[i].watch = NULL;
	}
	loop_io_del(&conn->io);
	close(conn->io.fd);
	conn->api = NULL;
}

static inline void api_send(struct api_conn *conn, const char *text, size_t size)
{
	assert_int_equal(send(conn->io.fd, text, size, MSG_NOSIGNAL), size);
}

__attribute__((format(printf, 2, 3))) static inline void api_send_text(struct api_conn *conn,
								       const char *format, ...)
{
	char *text;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	assert_true(len >= 0);
	api_send(conn, text, (size_t)len);
	free(text);
}

static inline void api_send_body(struct api_conn *conn, const char *status, const char *body)
{
	api_send_text(conn,
		      "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: "
		      "%zu\r\n\r\n%s",
		      status, strlen(body), body);
}

static inline void api_send_list(struct api_conn *conn, const struct api_resource *resource)
{
	char *body;

	assert_true(asprintf(&body, "{\"metadata\":{\"resourceVersion\":\"%s\"},\"items\":[%s]}",
			     resource->version, resource->items) > 0);
	api_send_body(conn, "200 OK", body);
	free(body);
}

/* Writes an event to the watch that is open. */
static inline void api_push(struct api *api, enum object_kind kind, const char *line)
{
	struct api_conn *conn = api->resources[kind].watch;

	assert_non_null(conn);
	api_send_text(conn, "%zx\r\n%s\n\r\n", strlen(line) + 1, line);
}

/* A raw answer; one that ends with "CUT" is cut off there. */
static inline void api_send_raw(struct api_conn *conn, const char *answer)
{
	size_t len = strlen(answer);
	bool is_cut = len >= 3 && strcmp(answer + len - 3, "CUT") == 0;

	api_send(conn, answer, is_cut ? len - 3 : len);
	if (is_cut)
		api_conn_close(conn);
}

static inline bool api_is_allowed(const struct api_conn *conn)
{
	char header[256];

	if (!conn->api->token)
		return true;
	snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", conn->api->token);
	return strstr(conn->request, header);
}

static inline struct api_resource *api_find(struct api *api, const char *request)
{
	static const char *const names[] = {
		[OBJECT_SERVICE] = "/api/v1/services?",
		[OBJECT_SLICE] = "/apis/discovery.k8s.io/v1/endpointslices?",
		[OBJECT_ENDPOINTS] = "/api/v1/endpoints?",
		[OBJECT_NODE] = "/api/v1/nodes?",
		[OBJECT_POD] = "/api/v1/namespaces/", /* single ones */
	};

	for (size_t i = 0; i < OBJECT_KIND_COUNT; i++) {
		if (strncmp(request + strlen("GET "), names[i], strlen(names[i])) == 0)
			return &api->resources[i];
	}
	fail_msg("unexpected request: %s", request);
	abort(); /* for the compiler: fail_msg() does not return */
}

static inline const char *api_scripted(const char *const answers[API_ANSWERS], size_t number)
{
	return number < API_ANSWERS ? answers[number] : NULL;
}

static inline void api_answer(struct api_conn *conn)
{
	static const char status[] = "{\"kind\":\"Status\",\"reason\":\"Whatever\","
				     "\"message\":\"so it is\"}";
	struct api_resource *resource = api_find(conn->api, conn->request);
	bool is_watch = strstr(conn->request, "watch=true");
	const char *raw;

	memcpy(resource->request, conn->request, sizeof(resource->request));
	resource->last = clock_now();
	raw = is_watch ? api_scripted(resource->watch_answers, resource->watches++)
		       : api_scripted(resource->list_answers, resource->lists++);
	conn->size = 0; /* the next one begins */
	if (!api_is_allowed(conn)) {
		api_send_body(conn, "401 Unauthorized", status);
	} else if (raw) {
		api_send_raw(conn, raw);
	} else if (!resource->items) {
		api_send_body(conn, "404 Not Found", status);
	} else if (resource == &conn->api->resources[OBJECT_POD]) {
		api_send_body(conn, "200 OK", resource->items);
	} else if (is_watch) {
		resource->watch = conn;
		api_send_text(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	} else {
		api_send_list(conn, resource);
	}
}

static inline void api_on_readable(struct loop_io *io, uint32_t events)
{
	struct api_conn *conn = container_of(io, struct api_conn, io);
	ssize_t n = recv(io->fd, conn->request + conn->size, sizeof(conn->request) - 1 - conn->size,
			 MSG_DONTWAIT);

	(void)events;
	if (n <= 0) {
		api_conn_close(conn);
		return;
	}
	conn->size += (size_t)n;
	conn->request[conn->size] = '\0';
	if (strstr(conn->request, "\r\n\r\n"))
		api_answer(conn);
}

static inline void api_on_accept(struct loop_io *io, uint32_t events)
{
	struct api *api = container_of(io, struct api, io);
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	assert_return_code(fd, errno);
	for (size_t i = 0; i < API_CONNS; i++) {
		struct api_conn *conn = &api->conns[i];

		if (conn->api)
			continue;
		*conn = (struct api_conn){.io = {.fn = api_on_readable, .fd = fd}, .api = api};
		assert_int_equal(loop_io_add(api->loop, &conn->io, EPOLLIN), 0);
		return;
	}
	fail_msg("too many connections");
}

/* Opens it, at the same port as before if there was one. */
static inline void api_open(struct api *api)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(api->port)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(fd, errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_return_code(bind(fd, (struct sockaddr *)&sa, len), errno);
	assert_return_code(listen(fd, API_CONNS), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&sa, &len), errno);
	api->port = ntohs(sa.sin_port);
	api->io = (struct loop_io){.fn = api_on_accept, .fd = fd};
	assert_int_equal(loop_io_add(api->loop, &api->io, EPOLLIN), 0);
}

/* Refuses, and cuts what is open. */
static inline void api_close(struct api *api)
{
	if (!api->io.loop)
		return;
	loop_io_del(&api->io);
	close(api->io.fd);
	for (size_t i = 0; i < API_CONNS; i++) {
		if (api->conns[i].api)
			api_conn_close(&api->conns[i]);
	}
}

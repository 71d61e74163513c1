/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/fake_api.h"

#include "base/clock.h"
#include "base/vec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAGE = 500 };

struct fake_api {
	unsigned int services, endpoints;
	int listener;
	uint64_t version;
	pthread_mutex_t lock;
	VEC(int) watches; /* on EndpointSlices */
};

struct connection {
	struct fake_api *api;
	int fd;
};

uint32_t fake_api_cluster_ip(unsigned int service)
{
	return htonl(0x0a600000u + 1 + service); /* 10.96.0.1 … */
}

static void write_service(const struct fake_api *api, FILE *out, unsigned int i)
{
	struct in_addr ip = {.s_addr = fake_api_cluster_ip(i)};
	char text[INET_ADDRSTRLEN];

	(void)api;
	inet_ntop(AF_INET, &ip, text, sizeof(text));
	fprintf(out,
		"{\"metadata\":{\"name\":\"svc-%u\",\"namespace\":\"default\",\"uid\":\"s%u\","
		"\"resourceVersion\":\"1\",\"annotations\":{\"swerve.dev/probe\":\"none\"}},"
		"\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"%s\",\"clusterIPs\":[\"%s\"],"
		"\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]}}",
		i, i, text, text);
}

static void write_slice_of(const struct fake_api *api, FILE *out, unsigned int i, bool last_ready,
			   uint64_t version)
{
	fprintf(out,
		"{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\","
		"\"metadata\":{\"name\":\"svc-%u-x\",\"namespace\":\"default\","
		"\"resourceVersion\":\"%llu\",\"labels\":{\"kubernetes.io/service-name\":\"svc-%u\"}},"
		"\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":8080,"
		"\"protocol\":\"TCP\"}],\"endpoints\":[",
		i, (unsigned long long)version, i);
	for (unsigned int k = 0; k < api->endpoints; k++) {
		unsigned int n = i * api->endpoints + k;
		bool ready = last_ready || k + 1 < api->endpoints;

		fprintf(out,
			"%s{\"addresses\":[\"10.%u.%u.%u\"],\"conditions\":{\"ready\":%s,"
			"\"serving\":%s,\"terminating\":false},\"nodeName\":\"node-%u\","
			"\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"default\","
			"\"name\":\"pod-%u\",\"uid\":\"u%u\"}}",
			k ? "," : "", 128 + n / 65536, n / 256 % 256, n % 256,
			ready ? "true" : "false", ready ? "true" : "false", n % 100, n, n);
	}
	fputs("]}", out);
}

static void write_slice(const struct fake_api *api, FILE *out, unsigned int i)
{
	write_slice_of(api, out, i, true, 1);
}

static bool send_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		size -= (size_t)n;
	}
	return true;
}

static bool answer(int fd, int status, const char *body, size_t size)
{
	char head[160];
	int len = snprintf(head, sizeof(head),
			   "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
			   "Content-Length: %zu\r\n\r\n",
			   status, size);

	return send_all(fd, head, (size_t)len) && send_all(fd, body, size);
}

/* One page; the continue token is the number of the next item. */
static bool answer_list(const struct fake_api *api, int fd, const char *path, const char *kind,
			void (*write_item)(const struct fake_api *, FILE *, unsigned int),
			unsigned int count)
{
	const char *token = strstr(path, "continue=");
	unsigned int first = 0, end;
	char *body = NULL, next[16] = "";
	size_t size = 0;
	FILE *out = open_memstream(&body, &size);
	bool ok;

	if (token && sscanf(token, "continue=%u", &first) != 1)
		first = 0;
	end = first + PAGE < count ? first + PAGE : count;
	if (end < count)
		snprintf(next, sizeof(next), "%u", end);
	fprintf(out,
		"{\"kind\":\"%sList\",\"apiVersion\":\"v1\",\"metadata\":{"
		"\"resourceVersion\":\"1\",\"continue\":\"%s\"},\"items\":[",
		kind, next);
	for (unsigned int i = first; i < end; i++) {
		if (i > first)
			putc(',', out);
		write_item(api, out, i);
	}
	fputs("]}", out);
	fclose(out);
	ok = answer(fd, 200, body, size);
	free(body);
	return ok;
}

static bool open_watch(struct fake_api *api, int fd, const char *path)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";

	if (!send_all(fd, head, sizeof(head) - 1))
		return false;
	if (strstr(path, "endpointslices")) {
		pthread_mutex_lock(&api->lock);
		if (vec_push(&api->watches, fd))
			abort();
		pthread_mutex_unlock(&api->lock);
	}
	return true;
}

static bool serve_one(struct fake_api *api, int fd, const char *path)
{
	static const char not_found[] = "{\"kind\":\"Status\",\"code\":404}";

	if (strstr(path, "watch=1") || strstr(path, "watch=true"))
		return open_watch(api, fd, path);
	if (strstr(path, "endpointslices"))
		return answer_list(api, fd, path, "EndpointSlice", write_slice, api->services);
	if (strstr(path, "/services"))
		return answer_list(api, fd, path, "Service", write_service, api->services);
	if (strstr(path, "/nodes"))
		return answer_list(api, fd, path, "Node", write_service, 0);
	return answer(fd, 404, not_found, sizeof(not_found) - 1);
}

static void *serve(void *arg)
{
	struct connection connection = *(struct connection *)arg;
	char request[8192];
	size_t have = 0;

	free(arg);
	for (;;) {
		ssize_t n = recv(connection.fd, request + have, sizeof(request) - 1 - have, 0);
		char *end, *path, *space;

		if (n <= 0)
			break;
		have += (size_t)n;
		request[have] = 0;
		end = strstr(request, "\r\n\r\n");
		if (!end)
			continue;
		path = strchr(request, ' ');
		space = path ? strchr(path + 1, ' ') : NULL;
		if (!space)
			break;
		*space = 0;
		have = 0;
		if (!serve_one(connection.api, connection.fd, path + 1))
			break;
	}
	/* A watch that is gone stays in the list: sending to it fails, which is noticed there. */
	shutdown(connection.fd, SHUT_RDWR);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct fake_api *api = arg;

	for (;;) {
		struct connection *connection = calloc(1, sizeof(*connection));
		int one = 1;
		pthread_t thread;

		if (!connection)
			abort();
		connection->api = api;
		connection->fd = accept4(api->listener, NULL, NULL, SOCK_CLOEXEC);
		setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (connection->fd < 0 || pthread_create(&thread, NULL, serve, connection))
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

int fake_api_start(unsigned int services, unsigned int endpoints, struct fake_api **ret)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct fake_api *api = calloc(1, sizeof(*api));
	pthread_t thread;

	if (!api)
		return -ENOMEM;
	api->services = services;
	api->endpoints = endpoints;
	api->version = 1;
	pthread_mutex_init(&api->lock, NULL);
	api->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (api->listener < 0 || bind(api->listener, (struct sockaddr *)&sa, sizeof(sa)) ||
	    listen(api->listener, 64) || pthread_create(&thread, NULL, accept_all, api)) {
		free(api);
		return -errno;
	}
	pthread_detach(thread);
	*ret = api;
	return 0;
}

unsigned int fake_api_port(const struct fake_api *api)
{
	struct sockaddr_in sa = {};
	socklen_t size = sizeof(sa);

	getsockname(api->listener, (struct sockaddr *)&sa, &size);
	return ntohs(sa.sin_port);
}

unsigned int fake_api_watches(struct fake_api *api)
{
	unsigned int count;

	pthread_mutex_lock(&api->lock);
	count = (unsigned int)api->watches.len;
	pthread_mutex_unlock(&api->lock);
	return count;
}

static char *make_event(struct fake_api *api, unsigned int service, bool ready, size_t *ret_size)
{
	char *event = NULL, *chunk = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&event, &size);

	fputs("{\"type\":\"MODIFIED\",\"object\":", out);
	write_slice_of(api, out, service, ready, ++api->version);
	fputs("}\n", out);
	fclose(out);
	out = open_memstream(&chunk, ret_size);
	fprintf(out, "%zx\r\n%s\r\n", size, event);
	fclose(out);
	free(event);
	return chunk;
}

uint64_t fake_api_set_last(struct fake_api *api, unsigned int service, int ready)
{
	size_t size = 0;
	char *chunk = make_event(api, service, ready, &size);
	uint64_t sent = 0;

	pthread_mutex_lock(&api->lock);
	vec_foreach(&api->watches, fd) {
		sent = clock_now();
		if (!send_all(*fd, chunk, size))
			sent = 0;
	}
	pthread_mutex_unlock(&api->lock);
	free(chunk);
	return sent;
}

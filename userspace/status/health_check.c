/* SPDX-License-Identifier: Apache-2.0 */
#include "status/health_check.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/json_text.h"
#include "net/http_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { HTTP_OK = 200, HTTP_NO_MEMORY = 500, HTTP_UNAVAILABLE = 503, KEY_SIZE = 512 };

struct health_checks {
	struct loop *loop;
	struct hashmap *all; /* "namespace/name" -> struct health_check, owned */
	bool (*healthy)(void *arg);
	void *arg;
};

/* Of one Service. */
struct health_check {
	const struct health_checks *checks;
	char *namespace;
	char *name;
	uint16_t port;
	size_t endpoints;
	struct http_server *v4; /* NULL: could not be opened */
	struct http_server *v6; /* NULL: the same, or there is no IPv6 */
};

static void cleanup_stream(FILE **stream)
{
	if (*stream)
		fclose(*stream);
}

static int write_body(const struct health_check *check, bool healthy, struct http_reply *reply)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_(cleanup_stream) FILE *out = open_memstream(&text, &reply->size);

	if (!out)
		return -ENOMEM;
	fputs("{\n\t\"service\": {\n\t\t\"namespace\": ", out);
	json_text_string(out, check->namespace);
	fputs(",\n\t\t\"name\": ", out);
	json_text_string(out, check->name);
	fprintf(out, "\n\t},\n\t\"localEndpoints\": %zu,\n\t\"serviceProxyHealthy\": %s\n}\n",
		check->endpoints, healthy ? "true" : "false");
	if (fclose(TAKE_PTR(out)))
		return -ENOMEM;
	reply->body = TAKE_PTR(text);
	return 0;
}

/* The answer is the same for every path. */
static void on_request(void *arg, const char *path, struct http_reply *reply)
{
	const struct health_check *check = arg;
	bool healthy = check->checks->healthy(check->checks->arg);

	(void)path;
	reply->content_type = "application/json";
	reply->status = healthy && check->endpoints ? HTTP_OK : HTTP_UNAVAILABLE;
	reply->headers[0].name = "X-Content-Type-Options";
	snprintf(reply->headers[0].value, sizeof(reply->headers[0].value), "nosniff");
	reply->headers[1].name = "X-Load-Balancing-Endpoint-Weight";
	snprintf(reply->headers[1].value, sizeof(reply->headers[1].value), "%zu", check->endpoints);
	if (write_body(check, healthy, reply))
		reply->status = HTTP_NO_MEMORY;
}

static void check_free(struct health_check *check)
{
	http_server_free(check->v4);
	http_server_free(check->v6);
	free(check->namespace);
	free(check->name);
	free(check);
}

static int open_at(struct health_check *check, const char *address, struct http_server **server)
{
	char text[32];

	if (*server)
		return 0;
	snprintf(text, sizeof(text), "%s:%u", address, check->port);
	return http_server_new(check->checks->loop, text, on_request, check, server);
}

/* A node without IPv6 answers with IPv4 alone. */
static int check_open(struct health_check *check)
{
	int err = open_at(check, "0.0.0.0", &check->v4), err6 = open_at(check, "[::]", &check->v6);

	return err ? err : err6 == -EAFNOSUPPORT || err6 == -EADDRNOTAVAIL ? 0 : err6;
}

static int check_new(struct health_checks *checks, const char *key, const char *namespace,
		     const char *name, struct health_check **ret)
{
	struct health_check *check = calloc(1, sizeof(*check));

	if (!check)
		return -ENOMEM;
	check->checks = checks;
	check->namespace = strdup(namespace);
	check->name = strdup(name);
	if (!check->namespace || !check->name || hashmap_put_str(checks->all, key, check)) {
		check_free(check);
		return -ENOMEM;
	}
	*ret = check;
	return 0;
}

int health_checks_new(struct loop *loop, bool (*healthy)(void *arg), void *arg,
		      struct health_checks **ret)
{
	_cleanup_free_ struct health_checks *checks = calloc(1, sizeof(*checks));

	if (!checks || hashmap_new(&checks->all))
		return -ENOMEM;
	checks->loop = loop;
	checks->healthy = healthy;
	checks->arg = arg;
	*ret = TAKE_PTR(checks);
	return 0;
}

void health_checks_free(struct health_checks *checks)
{
	if (!checks)
		return;
	hashmap_foreach(checks->all, iter)
		check_free(iter.value);
	hashmap_free(checks->all);
	free(checks);
}

int health_checks_set(struct health_checks *checks, const char *namespace, const char *name,
		      uint16_t port, size_t endpoints)
{
	struct health_check *check;
	char key[KEY_SIZE];
	int err = 0;

	snprintf(key, sizeof(key), "%s/%s", namespace, name);
	check = hashmap_get_str(checks->all, key);
	if (check && check->port != port) {
		check_free(hashmap_remove_str(checks->all, key));
		check = NULL;
	}
	if (!port)
		return 0;
	if (!check)
		err = check_new(checks, key, namespace, name, &check);
	if (err)
		return err;
	check->endpoints = endpoints;
	if (check->port)
		return 0;
	check->port = port;
	return check_open(check);
}

void health_checks_retry(struct health_checks *checks)
{
	hashmap_foreach(checks->all, iter) {
		struct health_check *check = iter.value;

		if (!check->v4 || !check->v6)
			(void)check_open(check);
	}
}

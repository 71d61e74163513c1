/* SPDX-License-Identifier: Apache-2.0 */
#include "status/health_check.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/json_text.h"
#include "base/vec.h"
#include "net/http_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { HTTP_OK = 200, HTTP_NO_MEMORY = 500, HTTP_UNAVAILABLE = 503, KEY_SIZE = 512 };

struct health_checks {
	struct loop *loop;
	struct hashmap *all;    /* "namespace/name" -> struct health_check, owned */
	VEC(struct addr) addrs; /* where to listen */
	bool (*healthy)(void *arg);
	void *arg;
};

/* At one address. */
struct listener {
	struct addr addr;
	struct http_server *server; /* NULL: could not be opened */
};

/* Of one Service. */
struct health_check {
	const struct health_checks *checks;
	char *namespace;
	char *name;
	uint16_t port;
	size_t endpoints;
	VEC(struct listener) listeners; /* parallel to checks->addrs */
};

static const struct addr any_addrs[] = {
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0}},
	{{0}},
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

/* The answer is the same for every path and, as kube-proxy's, every method. */
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

static void check_close(struct health_check *check)
{
	vec_foreach(&check->listeners, listener)
		http_server_free(listener->server);
	check->listeners.len = 0;
}

static void check_free(struct health_check *check)
{
	check_close(check);
	vec_done(&check->listeners);
	free(check->namespace);
	free(check->name);
	free(check);
}

/* A node without IPv6 answers with IPv4 alone. */
static bool is_missing_family(const struct addr *addr, int err)
{
	return addr_equal(addr, &any_addrs[1]) && (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL);
}

static int listener_open(struct health_check *check, struct listener *listener)
{
	char text[ADDR_PORT_STR_SIZE];
	int err;

	if (listener->server)
		return 0;
	addr_port_to_str(&listener->addr, check->port, text);
	err = http_server_new(check->checks->loop, text, on_request, check, &listener->server);
	if (!err)
		http_server_answer_all(listener->server);
	return is_missing_family(&listener->addr, err) ? 0 : err;
}

/* Opens what is not open yet. Returns the last error. */
static int check_open(struct health_check *check)
{
	int result = 0;

	vec_foreach(&check->listeners, listener) {
		int err = listener_open(check, listener);

		if (err)
			result = err;
	}
	return result;
}

/* Takes over what listens at an address already: nobody who asks there notices anything. */
static struct http_server *take_server(struct health_check *check, const struct addr *addr)
{
	vec_foreach(&check->listeners, listener) {
		if (addr_equal(&listener->addr, addr))
			return TAKE_PTR(listener->server);
	}
	return NULL;
}

/* Listens at the addresses that are wanted now, and no longer at others. */
static int check_listen(struct health_check *check)
{
	size_t len = check->checks->addrs.len;
	struct listener *listeners = reallocarray(NULL, len, sizeof(*listeners));

	if (!listeners)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		const struct addr *addr = &check->checks->addrs.items[i];

		listeners[i] = (struct listener){*addr, take_server(check, addr)};
	}
	check_close(check);
	free(check->listeners.items);
	check->listeners.items = listeners;
	check->listeners.len = check->listeners.cap = len;
	return check_open(check);
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
	if (health_checks_listen(checks, NULL, 0))
		return -ENOMEM;
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
	vec_done(&checks->addrs);
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
	return check_listen(check);
}

static bool listens_at(const struct health_checks *checks, const struct addr *addrs, size_t len)
{
	for (size_t i = 0; i < len && checks->addrs.len == len; i++) {
		if (!addr_equal(&checks->addrs.items[i], &addrs[i]))
			return false;
	}
	return checks->addrs.len == len;
}

int health_checks_listen(struct health_checks *checks, const struct addr *addrs, size_t len)
{
	const struct addr *want = len ? addrs : any_addrs;
	size_t count = len ? len : ARRAY_SIZE(any_addrs);
	int result = 0;

	if (listens_at(checks, want, count))
		return 0;
	checks->addrs.len = 0;
	for (size_t i = 0; i < count; i++) {
		if (vec_push(&checks->addrs, want[i]))
			return -ENOMEM;
	}
	hashmap_foreach(checks->all, iter) {
		int err = check_listen(iter.value);

		if (err)
			result = err;
	}
	return result;
}

void health_checks_retry(struct health_checks *checks)
{
	hashmap_foreach(checks->all, iter)
		(void)check_open(iter.value);
}

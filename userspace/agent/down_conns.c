/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/down_conns.h"

#include "agent/backend_index.h"
#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/vec.h"
#include "conns/closer.h"
#include "datapath/datapath.h"
#include "health/kernel_health.h"
#include "loop/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN NSEC_PER_SEC

struct down_conns {
	struct loop *loop;
	struct datapath *datapath;
	const struct backend_index *backends;
	struct conn_policy fallback;
	struct closer *closer;
	struct hashmap *down; /* number -> struct down_backend, owned */
	VEC(struct backend_info)
	gone;              /* whose connections wait for an endpoint; only `service` is owned */
	uint64_t gone_due; /* when to look after those */
	struct loop_timer timer;
	uint64_t due; /* the timer's deadline while it is armed */
	struct down_conns_totals totals;
};

struct down_backend {
	uint64_t since;
	uint64_t due;      /* UINT64_MAX: never */
	uint64_t connects; /* those that it had had when they were closed */
	bool closed;       /* they were, once at least */
	bool hangs;
};

static bool is_down(enum sw_health health)
{
	return health == SW_HEALTH_DOWN || health == SW_HEALTH_REFUSED;
}

/* Whether there is an endpoint that works and that Kubernetes calls ready, beside the backend. */
static bool has_other(const struct down_conns *conns, const struct dp_port *port, uint32_t backend)
{
	vec_foreach(&port->backends, other) {
		if (other->index != backend && !other->terminating &&
		    kernel_health_is_usable(datapath_health(conns->datapath, other->index)))
			return true;
	}
	return false;
}

static bool is_ready(const struct dp_port *port, uint32_t backend)
{
	vec_foreach(&port->backends, candidate) {
		if (candidate->index == backend)
			return !candidate->terminating;
	}
	return false;
}

/* UDP sockets are moved, so there is nothing to lose for them. */
static bool can_be_spared(const struct down_conns *conns, const struct dp_port *port,
			  const struct backend_info *info)
{
	return (info->proto == IPPROTO_UDP || is_ready(port, info->index)) &&
	       has_other(conns, port, info->index);
}

/* Those whose storage has all of `flags`. */
static int close_those(struct down_conns *conns, const struct backend_info *info, uint32_t service,
		       uint32_t flags)
{
	struct closer_job job = {
		.id = info->index,
		.proto = info->proto,
		.target = {.addr = info->addr,
			   .port = info->port,
			   .service = service,
			   .flags = flags},
	};

	return closer_push(conns->closer, &job);
}

/* All backends at the same time: whoever wakes up looks at each of them. */
static uint64_t again(uint64_t now)
{
	return (now / AGAIN + 1) * AGAIN;
}

/*
 * Returns when to look again, UINT64_MAX for never. Connections that come later come when there is
 * nothing better, and are closed as soon as there is.
 */
static uint64_t act(struct down_conns *conns, uint32_t backend, struct down_backend *down,
		    uint64_t now)
{
	uint64_t connects = datapath_connects(conns->datapath, backend);
	const struct backend_info *info = backend_index_get(conns->backends, backend);
	const struct dp_port *port;
	uint64_t end;

	if (!info)
		return UINT64_MAX;
	end = down->since + conn_policy_grace(&info->conns, &conns->fallback, down->hangs);
	if (now < end)
		return end;
	if (down->closed && down->connects == connects)
		return again(now);
	port = dp_table_port(datapath_table(conns->datapath), info->service);
	if (!port || !info->conns.close_on_down || !can_be_spared(conns, port, info))
		return again(now);
	if (close_those(conns, info, port->service, 0))
		return again(now);
	down->closed = true;
	down->connects = connects;
	return again(now);
}

static bool is_back(const struct dp_port *port, const struct backend_info *gone)
{
	vec_foreach(&port->backends, backend) {
		if (backend->port == gone->port && addr_equal(&backend->addr, &gone->addr))
			return true;
	}
	return false;
}

/* Whether nothing is left to be done for a backend that is gone. */
static bool is_settled(struct down_conns *conns, const struct backend_info *gone)
{
	const struct dp_port *port = dp_table_port(datapath_table(conns->datapath), gone->service);

	if (!port || is_back(port, gone))
		return true;
	/* Its number may be another one's by now. */
	return has_other(conns, port, 0) && !close_those(conns, gone, port->service, 0);
}

static void settle_gone(struct down_conns *conns)
{
	size_t left = 0;

	for (size_t i = 0; i < conns->gone.len; i++) {
		struct backend_info *gone = &conns->gone.items[i];

		if (is_settled(conns, gone))
			free(gone->service);
		else
			conns->gone.items[left++] = *gone;
	}
	conns->gone.len = left;
}

static void arm(struct down_conns *conns, uint64_t due)
{
	if (due == UINT64_MAX || (conns->timer.loop && conns->due <= due))
		return;
	if (loop_timer_arm(conns->loop, &conns->timer, due)) {
		log_error("out of memory: connections to backends that are down stay open");
		return;
	}
	conns->due = due;
}

static void wait_for_other(struct down_conns *conns, uint64_t now)
{
	settle_gone(conns);
	if (!conns->gone.len)
		return;
	conns->gone_due = again(now);
	arm(conns, conns->gone_due);
}

static void on_timer(struct loop_timer *timer, uint64_t now)
{
	struct down_conns *conns = container_of(timer, struct down_conns, timer);

	hashmap_foreach(conns->down, iter) {
		struct down_backend *down = iter.value;
		uint32_t backend;

		memcpy(&backend, iter.key, sizeof(backend));
		if (down->due <= now)
			down->due = act(conns, backend, down, now);
		arm(conns, down->due);
	}
	if (conns->gone.len && conns->gone_due <= now)
		wait_for_other(conns, now);
}

/* The kernel does not tell of each connection that fails: where one did, others may have meanwhile. */
static void look_again(struct down_conns *conns, const struct closer_result *result)
{
	uint32_t backend = result->job.id;

	if (result->job.target.flags && result->closed &&
	    datapath_ejected_until(conns->datapath, backend) > loop_now(conns->loop))
		down_conns_failing(conns, backend);
}

static void on_closed(void *arg, const struct closer_result *result)
{
	struct down_conns *conns = arg;
	const char *name = datapath_service(conns->datapath, result->job.target.service)->name;
	const char *service = *name ? name : "a service that is gone";
	char where[ADDR_PORT_STR_SIZE];

	conns->totals.closed += result->closed;
	conns->totals.moved += result->moved;
	addr_port_to_str(&result->job.target.addr, result->job.target.port, where);
	log_line(
		result->closed || result->moved ? LOG_INFO : LOG_DEBUG,
		"closed %zu connection(s) of \"%s\" to backend %s, which %s, moved %zu UDP socket(s): "
		"%zu network namespace(s), %" PRIu64 " ms",
		result->closed, service, where,
		result->job.target.flags ? "answers with errors" : "is down or gone", result->moved,
		result->namespaces, (uint64_t)(result->took / NSEC_PER_MSEC));
	look_again(conns, result);
	if (!result->errors)
		return;
	conns->totals.errors++;
	log_warn("connections of \"%s\" to backend %s, which is down, may still be open: %s "
		 "(%zu errors)",
		 service, where, strerror(-result->error), result->errors);
}

/* On the closer's thread. */
static int read_storage(void *arg, int fd, struct sw_socket *ret)
{
	const struct down_conns *conns = arg;

	return datapath_read_socket(conns->datapath, fd, ret);
}

static void cleanup_conns(struct down_conns **conns)
{
	down_conns_free(*conns);
}

int down_conns_new(struct loop *loop, struct datapath *datapath,
		   const struct backend_index *backends, const struct conn_policy *fallback,
		   struct down_conns **ret)
{
	_cleanup_(cleanup_conns) struct down_conns *conns = calloc(1, sizeof(*conns));
	struct closer_sockets sockets;
	int err;

	if (!conns)
		return -ENOMEM;
	conns->loop = loop;
	conns->datapath = datapath;
	conns->backends = backends;
	conns->fallback = *fallback;
	conns->timer.fn = on_timer;
	sockets = (struct closer_sockets){
		.fd = datapath_sockets_fd(datapath), .storage = read_storage, .arg = conns};
	err = hashmap_new(&conns->down);
	if (!err)
		err = closer_new(loop, &sockets, on_closed, conns, &conns->closer);
	if (err)
		return err;
	*ret = TAKE_PTR(conns);
	return 0;
}

void down_conns_free(struct down_conns *conns)
{
	if (!conns)
		return;
	loop_timer_cancel(&conns->timer);
	closer_free(conns->closer);
	if (conns->down) {
		hashmap_foreach(conns->down, iter)
			free(iter.value);
	}
	hashmap_free(conns->down);
	vec_foreach(&conns->gone, gone)
		free(gone->service);
	vec_done(&conns->gone);
	free(conns);
}

static struct down_backend *begin(struct down_conns *conns, uint32_t backend)
{
	_cleanup_free_ struct down_backend *down = calloc(1, sizeof(*down));

	if (!down || hashmap_put(conns->down, &backend, sizeof(backend), down))
		return NULL;
	down->since = loop_now(conns->loop);
	return TAKE_PTR(down);
}

/*
 * Also looks at once when the reason changes: only then are the reason and the grace known that
 * the service has by now.
 */
void down_conns_note(struct down_conns *conns, uint32_t backend, enum sw_health health, bool hangs)
{
	struct down_backend *down;

	if (!is_down(health)) {
		down_conns_forget(conns, backend);
		return;
	}
	down = hashmap_get(conns->down, &backend, sizeof(backend));
	if (down && down->hangs == hangs)
		return;
	if (!down)
		down = begin(conns, backend);
	if (!down) {
		log_error("out of memory: connections to a backend that is down stay open");
		return;
	}
	down->hangs = hangs;
	down->due = loop_now(conns->loop);
	arm(conns, down->due);
}

static int push_gone(struct down_conns *conns, const struct backend_info *info)
{
	_cleanup_free_ char *service = strdup(info->service);
	struct backend_info gone = {.index = info->index,
				    .addr = info->addr,
				    .port = info->port,
				    .proto = info->proto,
				    .service = service};

	if (!service || vec_push(&conns->gone, gone))
		return -ENOMEM;
	TAKE_PTR(service);
	return 0;
}

void down_conns_gone(struct down_conns *conns, uint32_t backend, bool silent)
{
	const struct backend_info *info = backend_index_get(conns->backends, backend);

	down_conns_forget(conns, backend);
	if (!info || (info->proto != IPPROTO_UDP && !(silent && info->conns.close_on_down)))
		return;
	if (push_gone(conns, info))
		log_error("out of memory: sockets of \"%s\" stay with a backend that is gone",
			  info->service);
	else
		wait_for_other(conns, loop_now(conns->loop));
}

void down_conns_failing(struct down_conns *conns, uint32_t backend)
{
	const struct backend_info *info = backend_index_get(conns->backends, backend);
	const struct dp_port *port =
		info ? dp_table_port(datapath_table(conns->datapath), info->service) : NULL;

	if (!port || !info->conns.close_on_down || !can_be_spared(conns, port, info))
		return;
	if (close_those(conns, info, port->service, info->proto == IPPROTO_UDP ? 0 : SW_SOCKET_BAD))
		log_error("out of memory: connections to a backend that fails stay open");
}

void down_conns_forget(struct down_conns *conns, uint32_t backend)
{
	free(hashmap_remove(conns->down, &backend, sizeof(backend)));
}

struct down_conns_totals down_conns_totals(const struct down_conns *conns)
{
	return conns->totals;
}

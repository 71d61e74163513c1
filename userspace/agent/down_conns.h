/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closes the connections of backends that are down, so that clients see an error at once instead
 * of hanging for minutes, and connect to another one:
 *
 *  - again while it stays down, if others have come: they come when nothing is better, and hang once
 *    something is;
 *  - after the service's grace, also when connections are refused. That a server no longer listens
 *    is also how it begins to end in an orderly way, and then the grace is for the API to say so. A
 *    server that does not answer at all is not about to end what it has begun: its grace is short;
 *  - not while it terminates: then its connections are left to it (but not UDP sockets);
 *  - not while no other endpoint of the service port is usable: there is nowhere better to go, and
 *    if all are down, it may be us who are wrong.
 *
 * What holds back is looked at again each second. Logs one line per backend.
 */
#pragma once

#include "swerve_abi.h"

#include <stdbool.h>
#include <stdint.h>

struct backend_index;
struct conn_policy;
struct datapath;
struct down_conns; /* opaque */
struct loop;

/* Borrows all but `fallback`, which has the graces of services that say none. Returns 0 or -errno. */
int down_conns_new(struct loop *loop, struct datapath *datapath,
		   const struct backend_index *backends, const struct conn_policy *fallback,
		   struct down_conns **ret);

/* NULL is allowed. */
void down_conns_free(struct down_conns *conns);

/* What the kernel was told of a backend, also if it is as before. `hangs`: it does not answer. */
void down_conns_note(struct down_conns *conns, uint32_t backend, enum sw_health health, bool hangs);

/*
 * The kernel has ejected a backend for its responses: connections whose last response failed are
 * closed, at once and with the same exceptions, since nothing else makes a client with keep-alive go
 * elsewhere. To be called again while there still are such.
 */
void down_conns_failing(struct down_conns *conns, uint32_t backend);

/*
 * The backend is gone, and is still in the index. TCP connections stay, as with kube-proxy, unless it
 * was `silent`: its node is powered off, and they would hang for as long as TCP tries. kube-proxy
 * forgets UDP flows: connected UDP sockets are moved. Both as soon as another endpoint works.
 */
void down_conns_gone(struct down_conns *conns, uint32_t backend, bool silent);

/* Says that there is nothing to do for a backend. Idempotent. */
void down_conns_forget(struct down_conns *conns, uint32_t backend);

struct down_conns_totals {
	uint64_t closed; /* connections */
	uint64_t moved;  /* connected UDP sockets, to another backend */
	uint64_t errors; /* backends of which some may not have been closed */
};

struct down_conns_totals down_conns_totals(const struct down_conns *conns);

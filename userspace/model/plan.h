/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which endpoints serve which frontend: kube-proxy's rules (pkg/proxy/topology.go,
 * endpointslicecache.go of Kubernetes 1.36), as far as they concern ClusterIPs. Pure.
 */
#pragma once

#include "base/addr.h"
#include "base/vec.h"
#include "model/conn_policy.h"
#include "model/probe_spec.h"
#include "model/steer_policy.h"

#include <stdbool.h>
#include <stdint.h>

struct model;

enum { PLAN_NAME_SIZE = 144 };

struct plan_frontend {
	struct addr addr;
	uint16_t port; /* host order */
};

struct plan_endpoint {
	struct addr addr;
	uint16_t port; /* host order */
	char *target;  /* pod as "namespace/name", "" when unknown; owned */
	char *uid;     /* pod's uid, "" when unknown; owned */
};

/*
 * What is wanted for one port of one Service in one address family: an IPv4 frontend never leads
 * to an IPv6 endpoint, nor the other way round.
 */
struct plan_port {
	/*
	 * The identity of the port: "namespace/name:port/proto", and for the IPv6 side of a Service
	 * with ClusterIPs of both families "namespace/name:port/proto/6".
	 */
	char name[PLAN_NAME_SIZE];
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
	struct probe_spec probe;
	struct conn_policy conns;
	struct steer_policy steer;
	uint32_t affinity_timeout; /* s; 0: no session affinity */
	VEC(struct plan_frontend) frontends;
	/*
	 * Ready endpoints first, then those that are serving and terminating, which the datapath
	 * uses only when nothing else is left (KEP-1669). Without duplicates, ordered by address
	 * and port within each part.
	 */
	VEC(struct plan_endpoint) endpoints;
	size_t ready; /* how many of them are ready */
};

struct plan {
	VEC(struct plan_port) ports;
	size_t skipped; /* ports of the Service that are not served: SCTP */
};

/*
 * Plans one service, as the model has it now; no ports if it is gone or headless. On success the
 * caller owns *ret (plan_done()). Returns 0, -ENOMEM, or -ENAMETOOLONG if the names of the service
 * do not fit into plan_port.name; *ret is untouched on failure.
 */
int plan_service(const struct model *model, const char *namespace, const char *name,
		 struct plan *ret);

void plan_done(struct plan *plan);

/* Whether the port of that name is to be reached there. */
bool plan_has_frontend(const struct plan *plan, const char *port_name, const struct addr *addr,
		       uint16_t port);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel is to serve for one Service: its frontends, and which endpoints are behind each of
 * them, by kube-proxy's rules (pkg/proxy of Kubernetes 1.36). Pure.
 *
 * What asks is a socket of this node, so traffic is never external: externalTrafficPolicy concerns
 * only the NodePorts of other nodes, which a packet from here reaches from outside.
 */
#pragma once

#include "base/addr.h"
#include "base/addr_range.h"
#include "base/vec.h"
#include "model/conn_policy.h"
#include "model/plan_lists.h"
#include "model/probe_spec.h"
#include "model/retry_policy.h"
#include "model/steer_policy.h"

#include <stdbool.h>
#include <stdint.h>

struct model;

enum { PLAN_NAME_SIZE = 144 };

/* Which destinations a frontend stands for. */
enum plan_scope {
	PLAN_AT_ADDRESS,   /* its address */
	PLAN_AT_THIS_NODE, /* each address of this node at which NodePorts are reached */
	/* The same of the other nodes; with an address that one only, if it is another node's at all */
	PLAN_AT_OTHER_NODES,
};

/*
 * How good the claim to a frontend is, if several services have one: the better one gets it, of equal
 * ones the first. Nobody but the cluster gives ClusterIPs away, but who may make a Service may write any
 * address into externalIPs. NodePorts have scopes of their own, and come after all addresses.
 */
enum plan_claim {
	PLAN_CLAIM_NONE,
	PLAN_CLAIM_EXTERNAL,
	PLAN_CLAIM_BALANCER,
	PLAN_CLAIM_NODE_PORT,
	PLAN_CLAIM_CLUSTER,
};

/* Who may use a frontend. */
enum plan_clients {
	PLAN_FOR_ALL,
	PLAN_FOR_RANGES,          /* whose address is in one of plan_port.source_ranges */
	PLAN_FOR_RANGES_AND_NODE, /* and sockets in the network of this node */
};

struct plan_frontend {
	enum plan_scope scope;
	struct addr addr; /* 0.0.0.0 or :: if it stands for all addresses of a kind of node */
	uint16_t port;    /* host order */
	uint32_t list;    /* position in plan_port.lists */
	enum plan_claim claim;
	enum plan_clients clients;
};

struct plan_endpoint {
	struct addr addr;
	uint16_t port;    /* host order */
	char *target;     /* pod as "namespace/name", "" when unknown; owned */
	char *uid;        /* pod's uid, "" when unknown; owned */
	const char *node; /* its name, "" when unknown; borrowed from the model */
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
	struct retry_policy retry; /* with the defaults of this node */
	uint32_t affinity_timeout; /* s; 0: no session affinity */
	VEC(struct plan_frontend) frontends;
	VEC(struct addr_range) source_ranges; /* of this family, ordered, each once */
	/*
	 * Those that any list has, each once, so that they share health and counters: ready ones
	 * first, then those that are serving and terminating, by address and port within each part.
	 */
	VEC(struct plan_endpoint) endpoints;
	size_t ready; /* how many of them are ready */
	VEC(struct plan_list) lists;
};

struct plan {
	VEC(struct plan_port) ports;
	uint16_t health_check_port; /* where this node answers for the Service, 0: nowhere */
	size_t local_ready;         /* then: addresses of ready endpoints on this node */
	size_t skipped;             /* ports of the Service that are not served: SCTP */
};

/*
 * Plans one service, as the model has it now; no ports if it is gone or headless. On success the
 * caller owns *ret (plan_done()). Returns 0, -ENOMEM, or -ENAMETOOLONG if the names of the service
 * do not fit into plan_port.name; *ret is untouched on failure.
 */
int plan_service(const struct model *model, const char *namespace, const char *name,
		 struct plan *ret);

void plan_done(struct plan *plan);

/*
 * The claim of the port of that name to what the frontend says of scope, address and port;
 * PLAN_CLAIM_NONE if it has none.
 */
enum plan_claim plan_claim(const struct plan *plan, const char *port_name,
			   const struct plan_frontend *frontend);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which endpoints serve which frontend: kube-proxy's rules (pkg/proxy/topology.go,
 * endpointslicecache.go of Kubernetes 1.36), as far as they concern ClusterIPs. Pure.
 */
#pragma once

#include "base/addr.h"
#include "base/vec.h"
#include "model/probe_spec.h"

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

/* What is wanted for one port of one Service. */
struct plan_port {
	char name[PLAN_NAME_SIZE]; /* "namespace/name:port/proto": the identity of the port */
	uint8_t proto;             /* IPPROTO_TCP or IPPROTO_UDP */
	struct probe_spec probe;
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
};

/*
 * Plans one service, as the model has it now; no ports if it is gone, headless, or of a protocol
 * that is not served. On success the caller owns *ret (plan_done()). Returns 0 or -ENOMEM.
 */
int plan_service(const struct model *model, const char *namespace, const char *name,
		 struct plan *ret);

void plan_done(struct plan *plan);

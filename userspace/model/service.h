/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Kubernetes Service as a plain value: what the plan needs of it, nothing else. The struct owns
 * everything it points to.
 */
#pragma once

#include "base/addr.h"
#include "base/addr_range.h"
#include "base/vec.h"
#include "model/conn_policy.h"
#include "model/probe_spec.h"
#include "model/retry_policy.h"
#include "model/steer_policy.h"

#include <stdbool.h>
#include <stdint.h>

enum traffic_policy { POLICY_CLUSTER, POLICY_LOCAL };

struct service_port {
	char *name;         /* "" when the Service has a single unnamed port */
	uint16_t port;      /* host order, never 0 */
	uint8_t proto;      /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
	uint16_t node_port; /* host order; 0: none */
};

struct service {
	char *namespace;
	char *name;
	char *uid;                    /* "" when the source has none */
	VEC(struct addr) cluster_ips; /* empty: headless or ExternalName */
	VEC(struct addr) external_ips;
	VEC(struct addr) balancer_ips; /* of the load balancer, unless it is a proxy (ipMode) */
	/* Who may use balancer_ips: loadBalancerSourceRanges, of both families; none of one: anybody. */
	VEC(struct addr_range) source_ranges;
	VEC(struct service_port) ports;
	enum traffic_policy internal_policy;
	enum traffic_policy external_policy;
	uint16_t health_check_port; /* healthCheckNodePort, host order; 0: none is answered */
	uint32_t affinity_timeout;  /* s, of session affinity by client; 0: none */
	struct probe_spec probe;    /* from the annotations swerve.dev/probe… */
	struct conn_policy conns;   /* from swerve.dev/on-down and swerve.dev/down-grace */
	struct steer_policy steer;  /* from swerve.dev/balance, outlier-5xx, …-timeout */
	struct retry_policy retry;  /* from swerve.dev/retry-… and swerve.dev/request-timeout */
};

/* Frees the service and what it owns. NULL is allowed. */
void service_free(struct service *service);

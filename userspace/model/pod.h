/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Swerve wants to know of a pod: how the kubelet asks it whether it is ready. The struct owns
 * everything it points to.
 */
#pragma once

#include "base/vec.h"
#include "model/probe_spec.h"

#include <stdbool.h>
#include <stdint.h>

struct pod_port {
	uint16_t port; /* host order, never 0 */
	uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
};

struct pod_container {
	bool has_probe;          /* a readinessProbe that can be asked from elsewhere, too */
	struct probe_spec probe; /* what it says is given, always the port */
	VEC(struct pod_port) ports;
};

struct pod {
	char *namespace;
	char *name;
	char *uid; /* "" when the source has none */
	VEC(struct pod_container) containers;
};

/* Frees the pod and what it owns. NULL is allowed. */
void pod_free(struct pod *pod);

/*
 * The probe of whoever answers at a port: of the container that declares it; if none does, which is
 * allowed, of the only container there is. Borrowed, NULL if there is none.
 */
const struct probe_spec *pod_probe(const struct pod *pod, uint16_t port, uint8_t proto);

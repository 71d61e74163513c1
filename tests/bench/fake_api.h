/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list/watch server with as many Services as wanted: what a benchmark needs of an API server and
 * a real one could not give in minutes. Plain HTTP/1.1 on a loopback port, a thread a connection.
 */
#pragma once

#include <stdint.h>

struct fake_api; /* opaque */

/*
 * Serves `services` Services with `endpoints` endpoints each, of which none is probed. Returns 0 or
 * -errno.
 */
int fake_api_start(unsigned int services, unsigned int endpoints, struct fake_api **ret);

/* The port on 127.0.0.1. */
unsigned int fake_api_port(const struct fake_api *api);

/* How many watches are open on EndpointSlices. */
unsigned int fake_api_watches(struct fake_api *api);

/*
 * Sends to all watches that the last endpoint of a Service is ready or not. Returns when it was
 * handed to the kernel, in ns of CLOCK_MONOTONIC; 0 if that failed.
 */
uint64_t fake_api_set_last(struct fake_api *api, unsigned int service, int ready);

/* The ClusterIP of a Service, 4 bytes in network order; its port is 80. */
uint32_t fake_api_cluster_ip(unsigned int service);

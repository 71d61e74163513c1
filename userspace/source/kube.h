/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects from a Kubernetes API server: Services, EndpointSlices (discovery.k8s.io/v1) and the own
 * Node, listed in pages and then watched. Logs.
 *
 * Where EndpointSlices are unknown (404), or forbidden while Services are not (403), Endpoints are
 * used instead, until the daemon is restarted. While the API server is away, everything stays as it
 * was. An object that does not decode keeps its last good state.
 */
#pragma once

#include "source/source.h"

#include <stddef.h>
#include <stdint.h>

struct kube_credentials;
struct kube_source; /* opaque */
struct loop;

enum kube_endpoints_api {
	KUBE_ENDPOINTS_AUTO,
	KUBE_ENDPOINTS_SLICES,
	KUBE_ENDPOINTS_ENDPOINTS,
	KUBE_ENDPOINTS_API_COUNT
};

/* "auto", "endpointslices", "endpoints". Returns 0 or -EINVAL. */
int kube_endpoints_api_from_str(const char *text, enum kube_endpoints_api *ret);

struct kube_source_config {
	struct kube_credentials *credentials; /* taken, also on failure */
	const char *proxy_name;               /* copied; NULL: Services that name no proxy */
	enum kube_endpoints_api endpoints_api;
	struct source_events events;
};

/*
 * Begins to list; events come from the loop, none from inside this call. `synced` is called when
 * Services and endpoints have both been listed once, and then after each batch. That the API server
 * does not answer is no error: it is asked until it does. Borrows the loop. Returns 0 or -errno.
 */
int kube_source_new(struct loop *loop, const struct kube_source_config *config,
		    struct kube_source **ret);

/* Reports nothing. NULL is allowed. */
void kube_source_free(struct kube_source *source);

/*
 * Asks for one pod, see source/kube_pods.h: it is reported by `put`, on its own. It is not watched:
 * what is asked for again is reported again, and it is never reported as removed. Returns 0 or -ENOMEM.
 */
int kube_source_get_pod(struct kube_source *source, const char *namespace, const char *name);

/* Since when (CLOCK_MONOTONIC, ns) the API server does not answer as it should; 0: it does. */
uint64_t kube_source_away_since(const struct kube_source *source);

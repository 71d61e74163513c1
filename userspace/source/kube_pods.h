/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single pods from the API server, by name, for their readiness probes: at most 20 a second and four at
 * a time, whatever is asked for. Watching all pods of a cluster from each node is what no API server
 * should have to bear.
 *
 * A pod that is gone (404) is forgotten. While pods may not be read (403) one is tried every ten
 * minutes, and the log says once what that means. What fails otherwise is tried again. Logs.
 */
#pragma once

#include "loop/loop.h"
#include "net/http_stream.h"
#include "source/source.h"

struct kube_pods; /* opaque */

struct kube_pods_config {
	const char *server; /* borrowed; URL without a / at the end */

	/* Opens a request: fills in who we are. Returns 0 or -errno. */
	int (*open)(void *arg, struct http_stream_get *get, struct http_stream **ret);

	/* A pod that came. The callee takes what it holds. */
	void (*put)(void *arg, struct object *object);
	void *arg;
};

/* Borrows the loop. Returns 0 or -ENOMEM. */
int kube_pods_new(struct loop *loop, const struct kube_pods_config *config, struct kube_pods **ret);

/* Cancels what is under way. NULL is allowed. */
void kube_pods_free(struct kube_pods *pods);

/* Asks for one, sooner or later. Nothing is called from inside. Returns 0 or -ENOMEM. */
int kube_pods_get(struct kube_pods *pods, const char *namespace, const char *name);

/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of lists, watches and single pods. Pure. */
#pragma once

#include "model/model.h"
#include "source/kube_watch.h"

struct kube_request {
	const char
		*server; /* "https://10.0.0.1:6443", perhaps with a path; without a / at the end */
	enum object_kind kind;
	const char *proxy_name; /* of services; NULL: those that name no proxy */
};

enum { KUBE_PAGE_LIMIT = 500 };

/*
 * The URL of a page of a list (KUBE_LIST) or of a watch (KUBE_WATCH), at the place where `watch`
 * is. The caller frees it; NULL: no memory.
 */
char *kube_request_url(const struct kube_request *request, enum kube_request_type type,
		       const struct kube_watch *watch);

/* The URL of one pod; names as field_name() lets them pass. The caller frees it; NULL: no memory. */
char *kube_request_pod_url(const char *server, const char *namespace, const char *name);

/* "services", "endpointslices", "endpoints", "nodes", "pods". */
const char *kube_resource_to_str(enum object_kind kind);

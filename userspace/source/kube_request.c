/* SPDX-License-Identifier: Apache-2.0 */
#include "source/kube_request.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

#define NOT_HEADLESS "!service.kubernetes.io/headless"
#define PROXY_NAME   "service.kubernetes.io/service-proxy-name"

static const struct {
	const char *path;
	const char *name;
} resources[] = {
	[OBJECT_SERVICE] = {"/api/v1/services", "services"},
	[OBJECT_SLICE] = {"/apis/discovery.k8s.io/v1/endpointslices", "endpointslices"},
	[OBJECT_ENDPOINTS] = {"/api/v1/endpoints", "endpoints"},
	[OBJECT_NODE] = {"/api/v1/nodes", "nodes"},
	[OBJECT_POD] = {"/api/v1/pods", "pods"},
};
_Static_assert(ARRAY_SIZE(resources) == OBJECT_KIND_COUNT, "one for every kind");

const char *kube_resource_to_str(enum object_kind kind)
{
	return resources[kind].name;
}

/* Writes text as the value of a parameter (RFC 3986). */
static void write_value(FILE *out, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-._~";

	for (const char *c = text; *c; c++) {
		if (strchr(plain, *c))
			fputc(*c, out);
		else
			fprintf(out, "%%%02X", (unsigned char)*c);
	}
}

static void write_selector(FILE *out, const struct kube_request *request)
{
	switch (request->kind) {
	case OBJECT_SERVICE:
		fputs("&labelSelector=", out);
		write_value(out, NOT_HEADLESS ",");
		write_value(out, request->proxy_name ? PROXY_NAME "=" : "!" PROXY_NAME);
		write_value(out, request->proxy_name ? request->proxy_name : "");
		break;
	case OBJECT_SLICE:
	case OBJECT_ENDPOINTS:
		fputs("&labelSelector=", out);
		write_value(out, NOT_HEADLESS);
		break;
	case OBJECT_NODE:
	case OBJECT_POD:
	case OBJECT_KIND_COUNT:
		break;
	}
}

static void write_url(FILE *out, const struct kube_request *request, enum kube_request_type type,
		      const struct kube_watch *watch)
{
	fprintf(out, "%s%s?", request->server, resources[request->kind].path);
	if (type == KUBE_WATCH) {
		fprintf(out, "watch=true&allowWatchBookmarks=true&timeoutSeconds=%u",
			watch->timeout);
		fputs("&resourceVersion=", out);
		write_value(out, watch->version);
	} else {
		fprintf(out, "limit=%d", KUBE_PAGE_LIMIT);
		if (*watch->token) {
			fputs("&continue=", out);
			write_value(out, watch->token);
		}
	}
	write_selector(out, request);
}

char *kube_request_pod_url(const char *server, const char *namespace, const char *name)
{
	char *url;

	if (asprintf(&url, "%s/api/v1/namespaces/%s/pods/%s", server, namespace, name) < 0)
		return NULL;
	return url;
}

char *kube_request_url(const struct kube_request *request, enum kube_request_type type,
		       const struct kube_watch *watch)
{
	char *url = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&url, &size);

	if (!out)
		return NULL;
	write_url(out, request, type, watch);
	if (fclose(out) != 0) {
		free(url);
		return NULL;
	}
	return url;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the API server is and how to log in there: from a kubeconfig file, else as a pod does it,
 * with the token and the CA of its service account.
 */
#pragma once

#include "net/http_stream.h"

#include <stddef.h>

struct kube_credentials; /* opaque */

struct kube_credentials_config {
	const char *kubeconfig; /* path; NULL: as a pod */
	const char *api_server; /* URL, instead of what is found; NULL: none */
	const char *host;       /* KUBERNETES_SERVICE_HOST; NULL: this is not a pod */
	const char *port;       /* KUBERNETES_SERVICE_PORT */
	const char *directory;  /* of the service account; NULL: where the kubelet mounts it */
};

/*
 * Reads what there is; *config is only used during the call. Without a kubeconfig and outside of a
 * pod, api_server alone will do: nobody logs in then. Returns 0 or -errno, then error says why.
 */
int kube_credentials_new(const struct kube_credentials_config *config,
			 struct kube_credentials **ret, char *error, size_t error_size);
void kube_credentials_free(struct kube_credentials *credentials);

/* URL without a / at the end. Borrowed. */
const char *kube_credentials_server(const struct kube_credentials *credentials);

/* Borrowed. */
struct http_tls kube_credentials_tls(const struct kube_credentials *credentials);

/*
 * The token, NULL if there is none; borrowed until the next call. One that is in a file is read
 * anew each time, as the kubelet replaces it before it expires; while that fails the last one is
 * returned.
 */
const char *kube_credentials_token(struct kube_credentials *credentials);

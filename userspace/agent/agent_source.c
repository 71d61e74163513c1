/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent_source.h"

#include "base/cleanup.h"
#include "source/file.h"
#include "source/kube.h"
#include "source/kube_credentials.h"

#include <errno.h>
#include <string.h>

/* One of them is there. */
struct agent_source {
	struct kube_source *kube;
	struct file_source *file;
};

static int open_file(struct loop *loop, const char *path, const struct source_events *events,
		     struct agent_source *source, struct dp_problem *problem)
{
	int err = file_source_new(loop, path, events, &source->file);

	if (err)
		return dp_problem(problem, err, "can not read the source \"%s\": %s.", path,
				  strerror(-err));
	return 0;
}

static int open_kube(struct loop *loop, const struct agent_source_config *config,
		     const struct source_events *events, struct agent_source *source,
		     struct dp_problem *problem)
{
	struct kube_credentials_config who = {
		.kubeconfig = config->kubeconfig,
		.api_server = config->api_server,
		.host = getenv("KUBERNETES_SERVICE_HOST"),
		.port = getenv("KUBERNETES_SERVICE_PORT"),
	};
	struct kube_source_config kube = {.proxy_name = config->service_proxy_name,
					  .events = *events};
	const char *api = config->endpoints_api ? config->endpoints_api : "auto";
	char error[512];
	int err;

	if (kube_endpoints_api_from_str(api, &kube.endpoints_api))
		return dp_problem(problem, -EINVAL,
				  "--endpoints-api \"%s\" is none of auto, endpointslices, "
				  "endpoints.",
				  api);
	err = kube_credentials_new(&who, &kube.credentials, error, sizeof(error));
	if (err)
		return dp_problem(problem, err, "can not log in to the API server: %s.", error);
	err = kube_source_new(loop, &kube, &source->kube);
	if (err)
		return dp_problem(problem, err, "can not follow the API server: %s.",
				  strerror(-err));
	return 0;
}

static void cleanup_source(struct agent_source **source)
{
	agent_source_free(*source);
}

int agent_source_new(struct loop *loop, const struct agent_source_config *config,
		     const struct source_events *events, struct agent_source **ret,
		     struct dp_problem *problem)
{
	static const char file[] = "file:";
	_cleanup_(cleanup_source) struct agent_source *source = calloc(1, sizeof(*source));
	const char *path = config->source + sizeof(file) - 1;
	int err;

	if (!source)
		return dp_problem(problem, -ENOMEM, "out of memory.");
	if (strcmp(config->source, "kube") == 0)
		err = open_kube(loop, config, events, source, problem);
	else if (strncmp(config->source, file, sizeof(file) - 1) == 0 && *path)
		err = open_file(loop, path, events, source, problem);
	else
		err = dp_problem(problem, -EINVAL,
				 "the source \"%s\" is neither kube nor of the form file:PATH.",
				 config->source);
	if (err)
		return err;
	*ret = TAKE_PTR(source);
	return 0;
}

void agent_source_free(struct agent_source *source)
{
	if (!source)
		return;
	kube_source_free(source->kube);
	file_source_free(source->file);
	free(source);
}

bool agent_source_can_get_pods(const struct agent_source *source)
{
	return source->kube;
}

int agent_source_get_pod(struct agent_source *source, const char *namespace, const char *name)
{
	return kube_source_get_pod(source->kube, namespace, name);
}

uint64_t agent_source_away_since(const struct agent_source *source)
{
	return source->kube ? kube_source_away_since(source->kube) : 0;
}

bool agent_source_is_whole(const struct agent_source *source)
{
	return !source->file || file_source_is_whole(source->file);
}

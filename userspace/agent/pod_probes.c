/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/pod_probes.h"

#include "agent/agent_source.h"
#include "agent/pod_users.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "model/model.h"
#include "model/pod.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pod_probes {
	struct model *model;
	struct agent_source *source;
	struct probe_spec defaults;
	bool enabled;
	struct pod_users *users;
};

int pod_probes_new(struct model *model, const struct health_options *options,
		   struct pod_probes **ret)
{
	_cleanup_free_ struct pod_probes *probes = calloc(1, sizeof(*probes));
	int err = probes ? pod_users_new(&probes->users) : -ENOMEM;

	if (err)
		return err;
	probes->model = model;
	probes->defaults = options->probe;
	probes->enabled = options->pod_probes;
	*ret = TAKE_PTR(probes);
	return 0;
}

void pod_probes_free(struct pod_probes *probes)
{
	if (!probes)
		return;
	pod_users_free(probes->users);
	free(probes);
}

void pod_probes_set_source(struct pod_probes *probes, struct agent_source *source)
{
	probes->source = source;
}

int pod_probes_add(struct pod_probes *probes, const struct backend_info *info)
{
	if (!*info->target)
		return 0;
	return pod_users_add(probes->users, info->target, info->uid, info->index);
}

/* Splits "namespace/name" in place. */
static char *split(char *target)
{
	char *slash = strchr(target, '/');

	if (slash)
		*slash++ = 0;
	return slash;
}

/* What was asked for is kept as long as it is used; what the source delivers by itself is its own. */
static void forget(struct pod_probes *probes, const char *target)
{
	_cleanup_free_ char *namespace = strdup(target);
	const char *name = namespace ? split(namespace) : NULL;

	if (name && probes->source)
		model_remove(probes->model, OBJECT_POD, namespace, name);
}

void pod_probes_remove(struct pod_probes *probes, const struct backend_info *info)
{
	if (pod_users_remove(probes->users, info->target, info->index))
		forget(probes, info->target);
}

/* Borrowed; NULL if it is not known, or if that is another pod of the same name. */
static const struct pod *find_pod(const struct pod_probes *probes, const struct backend_info *info)
{
	_cleanup_free_ char *namespace = strdup(info->target);
	const char *name = namespace ? split(namespace) : NULL;
	const struct pod *pod = name ? model_pod(probes->model, namespace, name) : NULL;

	if (pod && *pod->uid && *info->uid && strcmp(pod->uid, info->uid) != 0)
		return NULL;
	return pod;
}

/*
 * A time-out that the pod asks for is what it may take at most, not one that somebody chose to be
 * exact.
 */
struct probe_spec pod_probes_spec(const struct pod_probes *probes,
				  const struct probe_spec *annotations,
				  const struct backend_info *info)
{
	struct probe_spec spec = probes->defaults;
	const struct probe_spec *readiness = NULL;
	const struct pod *pod = find_pod(probes, info);

	if (pod && probes->enabled && !probe_spec_has(annotations, PROBE_FIELD_KIND))
		readiness = pod_probe(pod, info->port, info->proto);
	if (readiness)
		probe_spec_overlay(&spec, readiness);
	spec.given = 0;
	probe_spec_overlay(&spec, annotations);
	/* Who serves DNS has other ports, too, say for its metrics. */
	if (spec.kind == PROBE_DNS && info->proto != IPPROTO_UDP)
		spec.kind = PROBE_TCP;
	return spec;
}

bool pod_probes_is_pending(const struct pod_probes *probes, const struct backend_info *info)
{
	return probes->enabled && probes->source && *info->target && !info->own_probe &&
	       !find_pod(probes, info);
}

void pod_probes_want(struct pod_probes *probes, const struct backend_info *info)
{
	_cleanup_free_ char *namespace = NULL;
	const char *name;

	if (!info->wanted || !pod_probes_is_pending(probes, info) ||
	    !pod_users_ask(probes->users, info->target))
		return;
	namespace = strdup(info->target);
	name = namespace ? split(namespace) : NULL;
	if (!name || agent_source_get_pod(probes->source, namespace, name))
		log_warn("out of memory: pod \"%s\" is probed by TCP", info->target);
}

const uint32_t *pod_probes_backends(const struct pod_probes *probes, const char *namespace,
				    const char *name, size_t *ret_len)
{
	char target[NAME_MAX * 2 + 2];

	snprintf(target, sizeof(target), "%s/%s", namespace, name);
	return pod_users_get(probes->users, target, ret_len);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "model/pod.h"

#include <stdlib.h>

void pod_free(struct pod *pod)
{
	if (!pod)
		return;
	vec_foreach(&pod->containers, container)
		vec_done(&container->ports);
	vec_done(&pod->containers);
	free(pod->namespace);
	free(pod->name);
	free(pod->uid);
	free(pod);
}

static bool declares(const struct pod_container *container, uint16_t port, uint8_t proto)
{
	vec_foreach(&container->ports, declared) {
		if (declared->port == port && declared->proto == proto)
			return true;
	}
	return false;
}

static const struct pod_container *find_container(const struct pod *pod, uint16_t port,
						  uint8_t proto)
{
	vec_foreach(&pod->containers, container) {
		if (declares(container, port, proto))
			return container;
	}
	return pod->containers.len == 1 ? pod->containers.items : NULL;
}

const struct probe_spec *pod_probe(const struct pod *pod, uint16_t port, uint8_t proto)
{
	const struct pod_container *container = find_container(pod, port, proto);

	return container && container->has_probe ? &container->probe : NULL;
}

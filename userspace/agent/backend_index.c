/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/backend_index.h"

#include "base/hashmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct backend_index {
	struct hashmap *infos; /* number -> struct backend_info, owned */
};

static void info_free(struct backend_info *info)
{
	if (!info)
		return;
	free(info->target);
	free(info->uid);
	free(info->service);
	free(info);
}

int backend_index_new(struct backend_index **ret)
{
	struct backend_index *index = calloc(1, sizeof(*index));
	int err;

	if (!index)
		return -ENOMEM;
	err = hashmap_new(&index->infos);
	if (err) {
		free(index);
		return err;
	}
	*ret = index;
	return 0;
}

void backend_index_free(struct backend_index *index)
{
	if (!index)
		return;
	hashmap_foreach(index->infos, iter)
		info_free(iter.value);
	hashmap_free(index->infos);
	free(index);
}

int backend_index_put(struct backend_index *index, uint32_t backend, const struct plan_port *port,
		      const struct plan_endpoint *endpoint)
{
	struct backend_info *info = calloc(1, sizeof(*info));
	struct backend_info *old = hashmap_get(index->infos, &backend, sizeof(backend));

	if (info) {
		info->target = strdup(endpoint->target);
		info->uid = strdup(endpoint->uid);
		info->service = strdup(port->name);
	}
	if (!info || !info->target || !info->uid || !info->service ||
	    hashmap_put(index->infos, &backend, sizeof(backend), info)) {
		info_free(info);
		return -ENOMEM;
	}
	info->index = backend;
	info->addr = endpoint->addr;
	info->port = endpoint->port;
	info->proto = port->proto;
	info->conns = port->conns;
	info->own_probe = probe_spec_has(&port->probe, PROBE_FIELD_KIND);
	info_free(old);
	return 0;
}

void backend_index_update(struct backend_index *index, uint32_t backend,
			  const struct plan_port *port)
{
	struct backend_info *info = hashmap_get(index->infos, &backend, sizeof(backend));

	if (!info)
		return;
	info->conns = port->conns;
	info->own_probe = probe_spec_has(&port->probe, PROBE_FIELD_KIND);
}

void backend_index_set_wanted(struct backend_index *index, uint32_t backend)
{
	struct backend_info *info = hashmap_get(index->infos, &backend, sizeof(backend));

	if (info)
		info->wanted = true;
}

void backend_index_remove(struct backend_index *index, uint32_t backend)
{
	info_free(hashmap_remove(index->infos, &backend, sizeof(backend)));
}

const struct backend_info *backend_index_get(const struct backend_index *index, uint32_t backend)
{
	return hashmap_get(index->infos, &backend, sizeof(backend));
}

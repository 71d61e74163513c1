/* SPDX-License-Identifier: Apache-2.0 */
/* Specs are compared as bytes: two that differ in unused bytes only are not shared, nothing worse. */
#include "health/spec_pool.h"

#include "base/hashmap.h"

#include <errno.h>
#include <stdlib.h>

struct shared_spec {
	struct probe_spec spec;
	size_t users;
};

int spec_pool_init(struct spec_pool *pool)
{
	return hashmap_new(&pool->specs);
}

void spec_pool_done(struct spec_pool *pool)
{
	hashmap_free(pool->specs);
	pool->specs = NULL;
}

static int add(struct spec_pool *pool, const struct probe_spec *spec, struct shared_spec **ret)
{
	struct shared_spec *shared = calloc(1, sizeof(*shared));
	int err;

	if (!shared)
		return -ENOMEM;
	shared->spec = *spec;
	err = hashmap_put(pool->specs, spec, sizeof(*spec), shared);
	if (err)
		free(shared);
	else
		*ret = shared;
	return err;
}

int spec_pool_get(struct spec_pool *pool, const struct probe_spec *spec,
		  const struct probe_spec **ret)
{
	struct shared_spec *shared = hashmap_get(pool->specs, spec, sizeof(*spec));
	int err = shared ? 0 : add(pool, spec, &shared);

	if (err)
		return err;
	shared->users++;
	*ret = &shared->spec;
	return 0;
}

void spec_pool_put(struct spec_pool *pool, const struct probe_spec *spec)
{
	struct shared_spec *shared = (struct shared_spec *)spec;

	if (!spec || --shared->users)
		return;
	hashmap_remove(pool->specs, &shared->spec, sizeof(shared->spec));
	free(shared);
}

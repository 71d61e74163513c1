/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each different way to probe once, however many backends are probed in it: a spec has room for a
 * path and a host, and a node may know 100 000 backends.
 */
#pragma once

#include "model/probe_spec.h"

struct hashmap;

struct spec_pool {
	struct hashmap *specs; /* bytes of the spec -> struct shared_spec, owned */
};

/* Returns 0 or -ENOMEM. */
int spec_pool_init(struct spec_pool *pool);

/* Everything that was got must have been put back. */
void spec_pool_done(struct spec_pool *pool);

/* The shared copy of a spec, valid until it is put back. Returns 0 or -ENOMEM. */
int spec_pool_get(struct spec_pool *pool, const struct probe_spec *spec,
		  const struct probe_spec **ret);

/* NULL is allowed. */
void spec_pool_put(struct spec_pool *pool, const struct probe_spec *spec);

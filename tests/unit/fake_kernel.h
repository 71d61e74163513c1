/* SPDX-License-Identifier: Apache-2.0 */
/* The maps as plain memory, with the rule that has to hold after every single operation. */
#pragma once

#include "base/hashmap.h"
#include "datapath/dp_diff.h"
#include "datapath/dp_table.h"
#include "swerve_abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_kernel {
	struct sw_service *services;
	struct sw_slot *slots;
	struct sw_backend *backends;
	struct sw_backend_load *load;
	struct hashmap *frontends; /* key -> struct sw_frontend, owned */
};

static inline void fake_kernel_init(struct fake_kernel *kernel)
{
	kernel->services = calloc(SW_MAX_SERVICES, sizeof(*kernel->services));
	kernel->slots = calloc(SW_MAX_SLOTS, sizeof(*kernel->slots));
	kernel->backends = calloc(SW_MAX_BACKENDS, sizeof(*kernel->backends));
	kernel->load = calloc(SW_MAX_BACKENDS, sizeof(*kernel->load));
	assert_non_null(kernel->load);
	assert_non_null(kernel->services);
	assert_non_null(kernel->slots);
	assert_non_null(kernel->backends);
	assert_int_equal(hashmap_new(&kernel->frontends), 0);
}

static inline void fake_kernel_done(struct fake_kernel *kernel)
{
	hashmap_foreach(kernel->frontends, iter)
		free(iter.value);
	hashmap_free(kernel->frontends);
	free(kernel->services);
	free(kernel->slots);
	free(kernel->backends);
	free(kernel->load);
}

static inline void fake_kernel_run(struct fake_kernel *kernel, const struct dp_op *op)
{
	struct sw_frontend *value;

	switch (op->kind) {
	case DP_SET_SERVICE:
		kernel->services[op->index] = (struct sw_service){};
		snprintf(kernel->services[op->index].name, SW_SERVICE_NAME_SIZE, "%s", op->name);
		break;
	case DP_SET_POLICY:
		kernel->services[op->index].policy = op->policy;
		break;
	case DP_SET_BACKEND:
		/* A backend in use is never overwritten. */
		assert_int_equal(kernel->backends[op->index].health, SW_HEALTH_FREE);
		kernel->backends[op->index] = op->backend;
		kernel->load[op->index] = (struct sw_backend_load){.uid = op->uid_hash};
		break;
	case DP_SET_SLOT:
		kernel->slots[op->index] = op->slot;
		break;
	case DP_SET_FRONTEND:
		value = hashmap_get(kernel->frontends, &op->frontend.key, sizeof(op->frontend.key));
		if (!value) {
			value = calloc(1, sizeof(*value));
			assert_int_equal(hashmap_put(kernel->frontends, &op->frontend.key,
						     sizeof(op->frontend.key), value),
					 0);
		}
		*value = op->frontend.value;
		break;
	case DP_DELETE_FRONTEND:
		free(hashmap_remove(kernel->frontends, &op->frontend.key,
				    sizeof(op->frontend.key)));
		break;
	}
}

static inline void fake_kernel_clear(struct fake_kernel *kernel, const struct dp_release *release)
{
	switch (release->kind) {
	case DP_SERVICE:
		kernel->services[release->range.base] = (struct sw_service){};
		break;
	case DP_BACKEND:
		kernel->backends[release->range.base] = (struct sw_backend){};
		kernel->load[release->range.base] = (struct sw_backend_load){};
		break;
	case DP_SLOTS:
		memset(&kernel->slots[release->range.base], 0,
		       release->range.count * sizeof(struct sw_slot));
		break;
	}
}

/* No frontend points to a slot or backend that is missing or another service's. */
static inline void fake_kernel_check(const struct fake_kernel *kernel)
{
	hashmap_foreach(kernel->frontends, iter) {
		const struct sw_frontend *frontend = iter.value;

		assert_true(frontend->usable <= frontend->ready);
		assert_int_not_equal(kernel->services[frontend->service].name[0], 0);
		for (uint32_t i = 0; i < frontend->ready + frontend->terminating; i++) {
			uint32_t index = kernel->slots[frontend->slot_base + i].backend;

			assert_int_not_equal(index, 0);
			assert_int_not_equal(kernel->backends[index].health, SW_HEALTH_FREE);
			assert_int_equal(kernel->backends[index].service, frontend->service);
		}
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a restart: from what is pinned to the table that describes it, so that nothing that serves
 * is touched until it is planned again. Pure.
 */
#pragma once

#include "datapath/dp_maps.h"
#include "datapath/dp_table.h"

/*
 * Fills an empty table. Entries that make no sense (a frontend of a service without a name, slots
 * out of range, a backend of another service) are left out: such a frontend is appended to
 * *ret_broken, to be deleted from the map. Backends and services that nothing points to are free.
 * Returns 0 or -ENOMEM.
 */
int dp_adopt(struct dp_table *table, const struct dp_frontend_entries *frontends,
	     const struct sw_service *services, const struct sw_slot *slots,
	     const struct sw_backend *backends, const struct sw_backend_load *load,
	     struct dp_frontend_entries *ret_broken);

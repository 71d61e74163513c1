/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use the address of a load balancer: the map sw_sources and the program that looks at it
 * (bpf/sources.bpf.c). It is attached only while there are ranges, since it costs something for each
 * packet. An object of its own, as everything else works without it. Both are pinned: what a daemon
 * before this one has left is taken over.
 *
 * Order: dp_sources_add() before the first frontend asks for the ranges, dp_sources_drop() when
 * none asks for those any more that it takes away.
 */
#pragma once

#include "base/addr_range.h"
#include "datapath/dp_alloc.h"
#include "datapath/dp_object.h"

#include <stddef.h>
#include <stdint.h>

struct dp_sources; /* opaque; NULL, as which it keeps nothing, is allowed everywhere */

/*
 * Loads it, with the maps that are pinned. Ranges of services that are not in use are removed.
 * Returns NULL if it can not be, and logs why.
 */
struct dp_sources *dp_sources_install(const struct dp_install *install,
				      const struct dp_ids *services);

/* What is pinned goes on. */
void dp_sources_close(struct dp_sources *sources);

/*
 * Adds what a service lacks of `want`, which is ordered by addr_range_compare(), each once. Returns 0; -ENOSPC if the map is full, -ENOMEM, or -errno of
 * the kernel: then some are there, and the next call adds the others.
 */
int dp_sources_add(struct dp_sources *sources, uint32_t service, const struct addr_range *want,
		   size_t len);

/* Removes what a service has beyond `want`. Returns 0 or -errno: then the next call removes it. */
int dp_sources_drop(struct dp_sources *sources, uint32_t service, const struct addr_range *want,
		    size_t len);

/* How many ranges the map has, of SW_MAX_SOURCES. */
size_t dp_sources_count(const struct dp_sources *sources);

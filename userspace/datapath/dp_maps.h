/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The maps as memory: the arrays are mapped, so that most changes are one store; the frontends are
 * a hash that takes a system call per change. Opens what is pinned; does not create anything.
 */
#pragma once

#include "base/vec.h"
#include "datapath/dp_nodes.h"
#include "swerve_abi.h"

#include <stdbool.h>
#include <stddef.h>

enum dp_map {
	DP_MAP_FRONTENDS,
	DP_MAP_NODES,
	DP_MAP_SERVICES,
	DP_MAP_SLOTS,
	DP_MAP_BACKENDS,
	DP_MAP_BACKEND_LOAD,
	DP_MAP_OUTLIER,
	DP_MAP_EVENTS,
	DP_MAP_SOCKETS,
	DP_MAP_AFFINITY,
	DP_MAP_UDP_FLOWS,
	DP_MAP_UDP_REVERSE,
	DP_MAP_CONFIG,
	DP_MAP_COUNT
};

/* "sw_frontends" …: name of the map and of its pin. */
const char *dp_map_name(enum dp_map map);

struct bpf_object;

struct dp_maps {
	int frontends_fd;
	int nodes_fd;
	int sockets_fd;
	struct sw_service *services;          /* SW_MAX_SERVICES */
	struct sw_slot *slots;                /* SW_MAX_SLOTS */
	struct sw_backend *backends;          /* SW_MAX_BACKENDS */
	struct sw_backend_load *backend_load; /* SW_MAX_BACKENDS */
	struct sw_config *config;
};

struct dp_frontend_entry {
	struct sw_frontend_key key;
	struct sw_frontend value;
};

struct dp_frontend_entries {
	struct dp_frontend_entry *items;
	size_t len;
	size_t cap;
};

/*
 * Checks that the pinned maps were made for this ABI version: same kinds, sizes and number.
 * Returns 0, -ENOENT if nothing is pinned there, -EPROTO if it is another version (*ret_version is
 * then its number, 0 if it can not even be told), -EUCLEAN if it is this version but a map is
 * missing or of another shape, -errno.
 */
int dp_maps_check(const char *pin_dir, __u32 *ret_version);

/*
 * Makes an object that was opened and not yet loaded use those of its maps that are pinned; the
 * others it makes anew. Returns 0 or -errno.
 */
int dp_maps_reuse(struct bpf_object *object, const char *pin_dir);

/* Opens the pinned maps, for reading only if `writable` is not set. Returns 0 or -errno. */
int dp_maps_open(const char *pin_dir, bool writable, struct dp_maps *ret);

/* Unmaps and closes. The maps themselves stay pinned. */
void dp_maps_close(struct dp_maps *maps);

/* Returns 0 or -errno. */
int dp_maps_put_frontend(const struct dp_maps *maps, const struct sw_frontend_key *key,
			 const struct sw_frontend *value);

/* Returns 0, also if it was not there, or -errno. */
int dp_maps_delete_frontend(const struct dp_maps *maps, const struct sw_frontend_key *key);

/* See datapath_set_nodes(). */
int dp_maps_set_nodes(const struct dp_maps *maps, const struct dp_nodes *want);

/* What sw_sockets has for an open socket. Returns 0, -ENOENT, -errno. */
int dp_maps_read_socket(const struct dp_maps *maps, int fd, struct sw_socket *ret);

/* Reads all frontends, in any order; the caller frees ret->items. Returns 0 or -errno. */
int dp_maps_read_frontends(const struct dp_maps *maps, struct dp_frontend_entries *ret);

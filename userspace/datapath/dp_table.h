/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is installed in the kernel, as the daemon knows it: a mirror of the pinned maps, indexed by
 * service. Pure: whoever changes it (dp_diff, dp_adopt) says which operations make the maps equal.
 */
#pragma once

#include "base/vec.h"
#include "datapath/dp_alloc.h"
#include "model/plan.h"
#include "swerve_abi.h"

#include <stdbool.h>
#include <stdint.h>

struct hashmap;

struct dp_backend {
	uint32_t index; /* in sw_backends */
	struct addr addr;
	uint16_t port;     /* host order */
	bool announced;    /* the owner of health evidence knows of it */
	bool fresh;        /* private to dp_diff: its index was taken just now */
	bool kept;         /* private to dp_diff: it is wanted further on */
	bool listed;       /* a list has it; else it only may be needed later */
	bool terminating;  /* serving and terminating: used when nothing else is left */
	uint64_t uid_hash; /* of the pod; 0: not known */
};

struct dp_backends {
	struct dp_backend *items;
	size_t len;
	size_t cap;
};

/* Some backends of a port, which some of its frontends lead to. */
struct dp_list {
	struct dp_range slots; /* may be longer than what is used */
	bool claimed;          /* private to dp_diff: the range is used further on */
	bool moved;            /* private to dp_diff: the range was taken just now */
	uint32_t usable;       /* as in sw_frontend, which has the same numbers */
	uint32_t ready;
	VEC(uint32_t) backends; /* in the order of the slots */
};

struct dp_lists {
	struct dp_list *items;
	size_t len;
	size_t cap;
};

struct dp_frontend {
	struct sw_frontend_key key;
	uint32_t list; /* position in dp_port.lists */
	bool written;  /* false: the map may hold something else, write it again */
	struct sw_frontend value;
};

/* In the order of their keys as bytes, so that one among thousands is found at once. */
struct dp_frontends {
	struct dp_frontend *items;
	size_t len;
	size_t cap;
};

/* One service port. */
struct dp_port {
	char name[SW_SERVICE_NAME_SIZE];
	uint32_t service; /* index in sw_services */
	struct sw_policy policy;
	uint8_t proto;
	bool planned;                /* a plan has named it since the daemon started */
	bool adopted;                /* found in the maps, not planned since */
	struct dp_backends backends; /* each once, whatever lists have it */
	struct dp_lists lists;
	struct dp_frontends frontends;
};

void dp_lists_done(struct dp_lists *lists);

/* Puts them into their order. */
void dp_frontends_sort(struct dp_frontends *frontends);

/* NULL if there is none with this key. Borrowed until one is added or removed. */
struct dp_frontend *dp_frontends_find(const struct dp_frontends *frontends,
				      const struct sw_frontend_key *key);

/* What waits to be free: its deadline is when no running program can look at it any more. */
enum dp_kind { DP_SERVICE, DP_BACKEND, DP_SLOTS };

struct dp_release {
	enum dp_kind kind;
	struct dp_range range; /* of one for DP_SERVICE and DP_BACKEND */
	uint64_t due;
};

struct dp_table {
	struct dp_ids services;
	struct dp_ids backends;
	struct dp_ranges slots;
	struct hashmap *ports;           /* name -> struct dp_port, owned */
	struct hashmap *by_service;      /* "namespace/name" -> struct dp_group, owned */
	struct hashmap *owners;          /* struct sw_frontend_key -> struct dp_port, borrowed */
	VEC(struct dp_release) releases; /* ordered by due */
	size_t released;                 /* how many of them are done with, within one round */
};

/* The ports of one Service. */
struct dp_group {
	VEC(struct dp_port *) ports;
};

/* Returns 0 or -ENOMEM; on failure dp_table_done() is still to be called. */
int dp_table_init(struct dp_table *table);
void dp_table_done(struct dp_table *table);

/* Adds an empty port without resources. Returns 0 or -ENOMEM. */
int dp_table_add_port(struct dp_table *table, const char *name, uint8_t proto,
		      struct dp_port **ret);

/* Removes and frees a port; its resources and frontends must have been given back before. */
void dp_table_remove_port(struct dp_table *table, struct dp_port *port);

struct dp_port *dp_table_port(const struct dp_table *table, const char *name);

/* The ports of a Service, NULL if it has none. Borrowed until a port is added or removed. */
const struct dp_group *dp_table_group(const struct dp_table *table, const char *service);

/* Length of the "namespace/name" at the beginning of a port's name. */
size_t dp_port_service_len(const char *name);

/* Puts resources in quarantine until `due`. Returns 0 or -ENOMEM: then they stay taken. */
int dp_table_release(struct dp_table *table, enum dp_kind kind, struct dp_range range,
		     uint64_t due);

/* Prolongs all quarantines to `due` at least. */
void dp_table_postpone(struct dp_table *table, uint64_t due);

/*
 * Ends the quarantine of one resource that is due by `now`: it may be taken again from now on, and
 * the caller clears it in the maps. Returns false if none is due.
 */
bool dp_table_next_due(struct dp_table *table, uint64_t now, struct dp_release *ret);

/* How full a map is. */
struct dp_usage {
	const char *map; /* "sw_frontends" …; static */
	size_t used;     /* also by what waits to be free */
	size_t size;
};

enum { DP_USAGES = 4 };

void dp_table_usage(const struct dp_table *table, struct dp_usage ret[static DP_USAGES]);

struct sw_addr dp_sw_addr(const struct addr *addr);
struct addr dp_addr(const struct sw_addr *addr);

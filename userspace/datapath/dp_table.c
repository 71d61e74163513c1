/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_table.h"

#include "base/cleanup.h"
#include "base/hashmap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)PLAN_NAME_SIZE == (int)SW_SERVICE_NAME_SIZE,
	       "a name that the plan can hold fits into the map");

struct sw_addr dp_sw_addr(const struct addr *addr)
{
	struct sw_addr out;

	memcpy(out.bytes, addr->bytes, sizeof(out.bytes));
	return out;
}

struct addr dp_addr(const struct sw_addr *addr)
{
	struct addr out;

	memcpy(out.bytes, addr->bytes, sizeof(out.bytes));
	return out;
}

size_t dp_port_service_len(const char *name)
{
	return strcspn(name, ":");
}

int dp_table_init(struct dp_table *table)
{
	int err;

	*table = (struct dp_table){};
	err = dp_ids_init(&table->services, SW_MAX_SERVICES);
	if (!err)
		err = dp_ids_init(&table->backends, SW_MAX_BACKENDS);
	if (!err)
		err = dp_ranges_init(&table->slots, SW_MAX_SLOTS);
	if (!err)
		err = hashmap_new(&table->ports);
	if (!err)
		err = hashmap_new(&table->by_service);
	if (!err)
		err = hashmap_new(&table->owners);
	return err;
}

void dp_lists_done(struct dp_lists *lists)
{
	vec_foreach(lists, list)
		vec_done(&list->backends);
	vec_done(lists);
}

static int compare_frontends(const void *a, const void *b)
{
	const struct dp_frontend *x = a, *y = b;

	return memcmp(&x->key, &y->key, sizeof(x->key));
}

void dp_frontends_sort(struct dp_frontends *frontends)
{
	if (frontends->len)
		qsort(frontends->items, frontends->len, sizeof(*frontends->items),
		      compare_frontends);
}

struct dp_frontend *dp_frontends_find(const struct dp_frontends *frontends,
				      const struct sw_frontend_key *key)
{
	struct dp_frontend wanted = {.key = *key};

	if (!frontends->len)
		return NULL;
	return bsearch(&wanted, frontends->items, frontends->len, sizeof(wanted),
		       compare_frontends);
}

static void port_free(struct dp_port *port)
{
	vec_done(&port->backends);
	vec_done(&port->frontends);
	dp_lists_done(&port->lists);
	free(port);
}

static void group_free(struct dp_group *group)
{
	vec_done(&group->ports);
	free(group);
}

void dp_table_done(struct dp_table *table)
{
	if (table->ports) {
		hashmap_foreach(table->ports, iter)
			port_free(iter.value);
	}
	if (table->by_service) {
		hashmap_foreach(table->by_service, iter)
			group_free(iter.value);
	}
	hashmap_free(table->ports);
	hashmap_free(table->by_service);
	hashmap_free(table->owners);
	dp_ids_done(&table->services);
	dp_ids_done(&table->backends);
	dp_ranges_done(&table->slots);
	vec_done(&table->releases);
	*table = (struct dp_table){};
}

/* Adds the port to the group of its Service, which is made if it is the first. */
static int group_add(struct dp_table *table, struct dp_port *port)
{
	size_t len = dp_port_service_len(port->name);
	struct dp_group *group = hashmap_get(table->by_service, port->name, len);
	int err;

	if (group)
		return vec_push(&group->ports, port);
	group = calloc(1, sizeof(*group));
	if (!group)
		return -ENOMEM;
	err = vec_push(&group->ports, port);
	if (!err)
		err = hashmap_put(table->by_service, port->name, len, group);
	if (err)
		group_free(group);
	return err;
}

static void group_remove(struct dp_table *table, const struct dp_port *port)
{
	size_t len = dp_port_service_len(port->name);
	struct dp_group *group = hashmap_get(table->by_service, port->name, len);

	if (!group)
		return;
	for (size_t i = 0; i < group->ports.len; i++) {
		if (group->ports.items[i] != port)
			continue;
		group->ports.items[i] = group->ports.items[--group->ports.len];
		break;
	}
	if (!group->ports.len)
		group_free(hashmap_remove(table->by_service, port->name, len));
}

int dp_table_add_port(struct dp_table *table, const char *name, uint8_t proto, struct dp_port **ret)
{
	struct dp_port *port = calloc(1, sizeof(*port));
	int err;

	if (!port)
		return -ENOMEM;
	snprintf(port->name, sizeof(port->name), "%s", name);
	port->proto = proto;
	err = hashmap_put_str(table->ports, port->name, port);
	if (err) {
		port_free(port);
		return err;
	}
	err = group_add(table, port);
	if (err) {
		hashmap_remove_str(table->ports, port->name);
		port_free(port);
		return err;
	}
	*ret = port;
	return 0;
}

void dp_table_remove_port(struct dp_table *table, struct dp_port *port)
{
	group_remove(table, port);
	hashmap_remove_str(table->ports, port->name);
	port_free(port);
}

struct dp_port *dp_table_port(const struct dp_table *table, const char *name)
{
	return hashmap_get_str(table->ports, name);
}

const struct dp_group *dp_table_group(const struct dp_table *table, const char *service)
{
	return hashmap_get_str(table->by_service, service);
}

void dp_table_usage(const struct dp_table *table, struct dp_usage ret[static DP_USAGES])
{
	/* Element 0 of services and backends is never used. */
	ret[0] = (struct dp_usage){"sw_frontends", hashmap_len(table->owners), SW_MAX_FRONTENDS};
	ret[1] = (struct dp_usage){"sw_services", table->services.count, SW_MAX_SERVICES - 1};
	ret[2] = (struct dp_usage){"sw_backends", table->backends.count, SW_MAX_BACKENDS - 1};
	ret[3] = (struct dp_usage){"sw_slots", SW_MAX_SLOTS - dp_ranges_left(&table->slots),
				   SW_MAX_SLOTS};
}

int dp_table_release(struct dp_table *table, enum dp_kind kind, struct dp_range range, uint64_t due)
{
	if (!range.count)
		return 0;
	return vec_push(&table->releases,
			(struct dp_release){.kind = kind, .range = range, .due = due});
}

void dp_table_postpone(struct dp_table *table, uint64_t due)
{
	for (size_t i = table->released; i < table->releases.len; i++) {
		if (table->releases.items[i].due < due)
			table->releases.items[i].due = due;
	}
}

static void take_back(struct dp_table *table, const struct dp_release *release)
{
	switch (release->kind) {
	case DP_SERVICE:
		dp_ids_release(&table->services, release->range.base);
		break;
	case DP_BACKEND:
		dp_ids_release(&table->backends, release->range.base);
		break;
	case DP_SLOTS:
		dp_ranges_release(&table->slots, release->range);
		break;
	}
}

/* Moves what still waits to the front, so that the queue does not grow for ever. */
static void forget_released(struct dp_table *table)
{
	size_t left = table->releases.len - table->released;

	if (!table->released)
		return;
	memmove(table->releases.items, table->releases.items + table->released,
		left * sizeof(*table->releases.items));
	table->releases.len = left;
	table->released = 0;
}

bool dp_table_next_due(struct dp_table *table, uint64_t now, struct dp_release *ret)
{
	if (table->released == table->releases.len ||
	    table->releases.items[table->released].due > now) {
		forget_released(table);
		return false;
	}
	*ret = table->releases.items[table->released++];
	take_back(table, ret);
	return true;
}

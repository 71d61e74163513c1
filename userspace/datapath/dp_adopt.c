/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_adopt.h"

#include "base/hashmap.h"

#include <errno.h>
#include <string.h>

struct adoption {
	struct dp_table *table;
	const struct sw_service *services;
	const struct sw_slot *slots;
	const struct sw_backend *backends;
};

static bool frontend_makes_sense(const struct adoption *adoption,
				 const struct dp_frontend_entry *entry)
{
	const struct sw_frontend *value = &entry->value;
	const char *name;

	if (!value->service || value->service >= SW_MAX_SERVICES ||
	    value->check != sw_frontend_check(&entry->key, value))
		return false;
	name = adoption->services[value->service].name;
	if (!name[0] || !memchr(name, 0, SW_SERVICE_NAME_SIZE))
		return false;
	if (value->ready > SW_MAX_SLOTS || value->terminating > SW_MAX_SLOTS)
		return false;
	return (uint64_t)value->slot_base + value->ready + value->terminating <= SW_MAX_SLOTS &&
	       value->usable <= value->ready;
}

static int adopt_backend(const struct adoption *adoption, struct dp_port *port, uint32_t index)
{
	const struct sw_backend *backend = &adoption->backends[index];
	struct dp_backend entry = {
		.index = index, .addr = dp_addr(&backend->addr), .port = backend->port};
	int err = dp_ids_reserve(&adoption->table->backends, index);

	if (err == -EEXIST)
		return 0;
	return err ? err : vec_push(&port->backends, entry);
}

/*
 * The slots of a port. A slot that does not hold a backend of this service, or one that was seen
 * already, is skipped: the datapath skips it, too, and the next plan rewrites the range.
 */
static int adopt_backends(const struct adoption *adoption, struct dp_port *port,
			  const struct sw_frontend *value)
{
	uint32_t count = value->ready + value->terminating;
	int err = 0;

	for (uint32_t i = 0; !err && i < count; i++) {
		uint32_t index = adoption->slots[value->slot_base + i].backend;

		if (!index || index >= SW_MAX_BACKENDS ||
		    adoption->backends[index].service != port->service)
			continue;
		err = adopt_backend(adoption, port, index);
	}
	return err;
}

static int adopt_port(const struct adoption *adoption, const struct dp_frontend_entry *entry,
		      struct dp_port **ret)
{
	const char *name = adoption->services[entry->value.service].name;
	struct dp_port *port;
	int err = dp_ids_reserve(&adoption->table->services, entry->value.service);

	if (err)
		return err;
	err = dp_table_add_port(adoption->table, name, entry->key.proto, &port);
	if (err) {
		dp_ids_release(&adoption->table->services, entry->value.service);
		return err;
	}
	port->service = entry->value.service;
	port->policy = adoption->services[port->service].policy;
	port->adopted = true;
	port->ready = entry->value.ready;
	port->terminating = entry->value.terminating;
	port->usable = entry->value.usable;
	*ret = port;
	return 0;
}

/* The range that begins there, NULL if the port has none such yet. */
static struct dp_range *find_range(struct dp_port *port, uint32_t base)
{
	if (port->slots.count && port->slots.base == base)
		return &port->slots;
	vec_foreach(&port->stale_slots, range) {
		if (range->base == base)
			return range;
	}
	return NULL;
}

/* Two frontends may show a different number of slots of one range: the longer one counts. */
static int extend_range(const struct adoption *adoption, struct dp_port *port,
			struct dp_range *range, const struct sw_frontend *value)
{
	uint32_t count = value->ready + value->terminating;
	struct dp_range more = {.base = range->base + range->count};
	size_t known = port->backends.len;
	int err;

	if (count <= range->count)
		return 0;
	more.count = count - range->count;
	err = dp_ranges_reserve(&adoption->table->slots, more);
	if (err)
		return err;
	range->count = count;
	err = adopt_backends(adoption, port, value);
	if (range == &port->slots)
		return err;
	for (size_t i = known; !err && i < port->backends.len; i++)
		err = vec_push(&port->stale_backends, port->backends.items[i].index);
	port->backends.len = known;
	return err;
}

/*
 * All frontends of a port share one range, unless a crash came between two of them: then the
 * other range and what only it holds are stale, and are given back when the port is planned.
 */
static int adopt_slots(const struct adoption *adoption, struct dp_port *port,
		       const struct sw_frontend *value)
{
	struct dp_range *range = find_range(port, value->slot_base);
	int err;

	if (!(value->ready + value->terminating))
		return 0;
	if (!range && !port->slots.count) {
		port->slots.base = value->slot_base;
		range = &port->slots;
	} else if (!range) {
		err = vec_push(&port->stale_slots, (struct dp_range){.base = value->slot_base});
		if (err)
			return err;
		range = &port->stale_slots.items[port->stale_slots.len - 1];
	}
	return extend_range(adoption, port, range, value);
}

static int adopt_frontend(const struct adoption *adoption, const struct dp_frontend_entry *entry)
{
	struct dp_port *port =
		dp_table_port(adoption->table, adoption->services[entry->value.service].name);
	int err = 0;

	if (!port)
		err = adopt_port(adoption, entry, &port);
	if (!err && port->service != entry->value.service)
		return -EEXIST;
	if (!err)
		err = adopt_slots(adoption, port, &entry->value);
	if (!err)
		err = vec_push(&port->frontends, (struct dp_frontend){.key = entry->key,
								      .written = true,
								      .value = entry->value});
	if (err)
		return err;
	return hashmap_put(adoption->table->owners, &entry->key, sizeof(entry->key), port);
}

int dp_adopt(struct dp_table *table, const struct dp_frontend_entries *frontends,
	     const struct sw_service *services, const struct sw_slot *slots,
	     const struct sw_backend *backends, struct dp_frontend_entries *ret_broken)
{
	struct adoption adoption = {
		.table = table, .services = services, .slots = slots, .backends = backends};
	int err = 0;

	vec_foreach(frontends, entry) {
		if (frontend_makes_sense(&adoption, entry))
			err = adopt_frontend(&adoption, entry);
		else
			err = -EEXIST;
		if (err == -EEXIST)
			err = vec_push(ret_broken, *entry);
		if (err)
			return err;
	}
	return 0;
}

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
	const struct sw_backend_load *load;
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

static struct dp_backend *find_backend(const struct dp_port *port, uint32_t index)
{
	vec_foreach(&port->backends, backend) {
		if (backend->index == index)
			return backend;
	}
	return NULL;
}

/* One that is ready for some list is ready: only lists with other policies lack it. */
static int adopt_backend(const struct adoption *adoption, struct dp_port *port, uint32_t index,
			 bool terminating)
{
	const struct sw_backend *backend = &adoption->backends[index];
	struct dp_backend entry = {.index = index,
				   .addr = dp_addr(&backend->addr),
				   .port = backend->port,
				   .listed = true,
				   .terminating = terminating,
				   .uid_hash = adoption->load[index].uid};
	struct dp_backend *known;
	int err = dp_ids_reserve(&adoption->table->backends, index);

	if (err != -EEXIST)
		return err ? err : vec_push(&port->backends, entry);
	known = find_backend(port, index);
	if (known)
		known->terminating &= terminating;
	return 0;
}

/*
 * The slots of a list from position `first` on. A slot that does not hold a backend of this service
 * is skipped: the datapath skips it, too, and the next plan rewrites the range.
 */
static int adopt_backends(const struct adoption *adoption, struct dp_port *port,
			  const struct sw_frontend *value, uint32_t first)
{
	uint32_t count = value->ready + value->terminating;
	int err = 0;

	for (uint32_t i = first; !err && i < count; i++) {
		uint32_t index = adoption->slots[value->slot_base + i].backend;

		if (!index || index >= SW_MAX_BACKENDS ||
		    adoption->backends[index].service != port->service)
			continue;
		err = adopt_backend(adoption, port, index, i >= value->ready);
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
	*ret = port;
	return 0;
}

/* The list whose range begins there, NULL if the port has none such yet. */
static struct dp_list *find_list(struct dp_port *port, uint32_t base)
{
	vec_foreach(&port->lists, list) {
		if (list->slots.base == base)
			return list;
	}
	return NULL;
}

static int add_list(struct dp_port *port, const struct sw_frontend *value, struct dp_list **ret)
{
	struct dp_list list = {.slots = {.base = value->slot_base},
			       .usable = value->usable,
			       .ready = value->ready};
	int err = vec_push(&port->lists, list);

	if (!err)
		*ret = &port->lists.items[port->lists.len - 1];
	return err;
}

/* Two frontends may show a different number of slots of one range: the longer one counts. */
static int extend_list(const struct adoption *adoption, struct dp_port *port, struct dp_list *list,
		       const struct sw_frontend *value)
{
	uint32_t count = value->ready + value->terminating;
	struct dp_range more = {.base = list->slots.base + list->slots.count};
	int err;

	if (count <= list->slots.count)
		return 0;
	more.count = count - list->slots.count;
	err = dp_ranges_reserve(&adoption->table->slots, more);
	if (err)
		return err;
	list->slots.count = count;
	return adopt_backends(adoption, port, value, more.base - value->slot_base);
}

/*
 * Frontends with the same list share one range, unless a crash came between two of them. Then there
 * is a list too many: it is given back, with what only it holds, when the port is planned.
 */
static int adopt_list(const struct adoption *adoption, struct dp_port *port,
		      const struct sw_frontend *value, uint32_t *ret_position)
{
	struct dp_list *list = find_list(port, value->slot_base);
	int err = 0;

	if (!list)
		err = add_list(port, value, &list);
	if (!err)
		err = extend_list(adoption, port, list, value);
	if (!err)
		*ret_position = (uint32_t)(list - port->lists.items);
	return err;
}

static int adopt_frontend(const struct adoption *adoption, const struct dp_frontend_entry *entry)
{
	struct dp_port *port =
		dp_table_port(adoption->table, adoption->services[entry->value.service].name);
	uint32_t list;
	int err = 0;

	if (!port)
		err = adopt_port(adoption, entry, &port);
	if (!err && port->service != entry->value.service)
		return -EEXIST;
	if (!err)
		err = adopt_list(adoption, port, &entry->value, &list);
	if (!err)
		err = vec_push(&port->frontends, (struct dp_frontend){.key = entry->key,
								      .list = list,
								      .written = true,
								      .value = entry->value});
	if (err)
		return err;
	return hashmap_put(adoption->table->owners, &entry->key, sizeof(entry->key), port);
}

int dp_adopt(struct dp_table *table, const struct dp_frontend_entries *frontends,
	     const struct sw_service *services, const struct sw_slot *slots,
	     const struct sw_backend *backends, const struct sw_backend_load *load,
	     struct dp_frontend_entries *ret_broken)
{
	struct adoption adoption = {.table = table,
				    .services = services,
				    .slots = slots,
				    .backends = backends,
				    .load = load};
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
	hashmap_foreach(table->ports, iter)
		dp_frontends_sort(&((struct dp_port *)iter.value)->frontends);
	return 0;
}

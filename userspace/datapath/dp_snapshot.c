/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_snapshot.h"

#include "base/cleanup.h"
#include "datapath/dp_table.h"

#include <errno.h>
#include <string.h>

static const char *const rank_names[] = {
	[DP_RANK_USABLE] = "usable",           [DP_RANK_SUSPECT] = "suspect",
	[DP_RANK_EJECTED] = "ejected",         [DP_RANK_DOWN] = "down",
	[DP_RANK_TERMINATING] = "terminating", [DP_RANK_REFUSED] = "refused",
	[DP_RANK_ABSENT] = "absent",
};
_Static_assert(ARRAY_SIZE(rank_names) == DP_RANK_COUNT, "a name for every rank");

const char *dp_rank_to_str(enum dp_rank rank)
{
	return rank_names[rank];
}

static enum dp_rank health_rank(enum sw_health health)
{
	switch (health) {
	case SW_HEALTH_UNKNOWN:
	case SW_HEALTH_UP:
		return DP_RANK_USABLE;
	case SW_HEALTH_SUSPECT:
		return DP_RANK_SUSPECT;
	case SW_HEALTH_DOWN:
		return DP_RANK_DOWN;
	case SW_HEALTH_REFUSED:
		return DP_RANK_REFUSED;
	case SW_HEALTH_FREE:
		break;
	}
	return DP_RANK_ABSENT;
}

static enum dp_rank rank_of(const struct dp_snapshot_backend *backend, bool trusted, uint64_t now)
{
	enum dp_rank rank = health_rank(backend->health);

	if (!trusted && rank != DP_RANK_ABSENT)
		rank = DP_RANK_USABLE;
	if (backend->suspect_until > now && rank < DP_RANK_SUSPECT)
		rank = DP_RANK_SUSPECT;
	if (backend->ejected_until > now && rank < DP_RANK_EJECTED)
		rank = DP_RANK_EJECTED;
	if (backend->terminating && rank < DP_RANK_TERMINATING)
		rank = DP_RANK_TERMINATING;
	return rank;
}

/* By service, then in the order in which people read addresses. */
static int compare_entries(const void *a, const void *b)
{
	const struct dp_frontend_entry *left = a, *right = b;
	int order = (left->value.service > right->value.service) -
		    (left->value.service < right->value.service);

	if (!order)
		order = memcmp(&left->key.addr, &right->key.addr, sizeof(left->key.addr));
	if (!order)
		order = left->key.port - right->key.port;
	if (!order)
		order = left->key.proto - right->key.proto;
	return order ? order : left->key.scope - right->key.scope;
}

static int compare_services(const void *a, const void *b)
{
	const struct dp_snapshot_service *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	return order ? order : (left->index > right->index) - (left->index < right->index);
}

/* Returns false if the slot holds no backend of this service. */
static bool read_backend(const struct dp_maps *maps, const struct dp_snapshot_service *service,
			 uint64_t slot, struct dp_snapshot_backend *ret)
{
	const struct sw_backend *backend;
	uint32_t index = slot < SW_MAX_SLOTS ? maps->slots[slot].backend : 0;

	if (!index || index >= SW_MAX_BACKENDS)
		return false;
	backend = &maps->backends[index];
	if (backend->health == SW_HEALTH_FREE || backend->service != service->index)
		return false;
	*ret = (struct dp_snapshot_backend){
		.index = index,
		.addr = dp_addr(&backend->addr),
		.port = backend->port,
		.lowered = backend->lowered,
		.health = backend->health,
		.ejected_until = backend->ejected_until,
		.suspect_until = backend->suspect_until,
		.changed = backend->changed,
		.connects = maps->backend_load[index].connects,
		.open = maps->backend_load[index].open,
		.evidence = maps->backend_load[index].evidence,
		.status = maps->backend_load[index].status,
	};
	return true;
}

static struct dp_snapshot_backend *find_backend(const struct dp_snapshot_service *service,
						uint32_t index)
{
	vec_foreach(&service->backends, backend) {
		if (backend->index == index)
			return backend;
	}
	return NULL;
}

/* The backends of one range of slots, but for those that another range had already. */
static int read_backends(const struct dp_maps *maps, const struct sw_frontend *range,
			 struct dp_snapshot_service *service)
{
	uint64_t count = (uint64_t)range->ready + range->terminating;
	bool first = service->backends.len == 0;

	if (count > SW_MAX_SLOTS)
		count = SW_MAX_SLOTS;
	for (uint64_t i = 0; i < count; i++) {
		struct dp_snapshot_backend backend, *known;

		if (!read_backend(maps, service, range->slot_base + i, &backend)) {
			service->gaps++;
			continue;
		}
		backend.terminating = i >= range->ready;
		known = first ? NULL : find_backend(service, backend.index);
		if (known)
			known->terminating &= backend.terminating;
		else if (vec_push(&service->backends, backend))
			return -ENOMEM;
	}
	return 0;
}

static bool same_counts(const struct sw_frontend *a, const struct sw_frontend *b)
{
	return a->usable == b->usable && a->ready == b->ready && a->terminating == b->terminating;
}

/*
 * The first of the frontends before `entry` with the same range; NULL: it is the first, or has no
 * range, like a service without endpoints.
 */
static const struct sw_frontend *find_range(const struct dp_frontend_entry *first,
					    const struct dp_frontend_entry *entry)
{
	const struct sw_frontend *value = &entry->value;

	if (!value->slot_base && !value->ready && !value->terminating)
		return NULL;
	for (; first < entry; first++) {
		if (first->value.slot_base == entry->value.slot_base)
			return &first->value;
	}
	return NULL;
}

/* Frontends with one policy share a range of slots. */
static int read_frontend(const struct dp_maps *maps, const struct dp_frontend_entry *first,
			 const struct dp_frontend_entry *entry, struct dp_snapshot_service *service)
{
	const struct sw_frontend *same = find_range(first, entry);

	if (vec_push(&service->frontends, *entry))
		return -ENOMEM;
	if (same) {
		service->torn |= !same_counts(&entry->value, same);
		return 0;
	}
	service->usable_hint += entry->value.usable;
	return read_backends(maps, &entry->value, service);
}

static void sum_up(const struct dp_snapshot *snapshot, uint64_t now,
		   struct dp_snapshot_service *service)
{
	vec_foreach(&service->backends, backend) {
		backend->rank = rank_of(backend, snapshot->trusted, now);
		service->connects += backend->connects;
		service->ready += !backend->terminating;
		service->terminating += backend->terminating;
	}
}

/* Frontends [first, end) are those of one service. */
static int read_service(const struct dp_maps *maps, const struct dp_frontend_entry *first,
			const struct dp_frontend_entry *end, uint64_t now,
			const struct dp_snapshot *snapshot, struct dp_snapshot_service *service)
{
	const struct sw_service *element = &maps->services[first->value.service];

	service->index = first->value.service;
	service->proto = first->key.proto;
	service->last_used = element->last_used;
	service->connects = element->connects;
	service->refused = element->refused;
	memcpy(service->name, element->name, sizeof(service->name) - 1);
	for (const struct dp_frontend_entry *entry = first; entry < end; entry++) {
		if (read_frontend(maps, first, entry, service))
			return -ENOMEM;
	}
	sum_up(snapshot, now, service);
	return 0;
}

static bool leads_somewhere(const struct dp_maps *maps, const struct dp_frontend_entry *entry)
{
	uint32_t service = entry->value.service;

	return service && service < SW_MAX_SERVICES && maps->services[service].name[0];
}

static int add_service(const struct dp_maps *maps, const struct dp_frontend_entry *first,
		       const struct dp_frontend_entry *end, uint64_t now,
		       struct dp_snapshot *snapshot)
{
	struct dp_snapshot_service *service;

	if (!leads_somewhere(maps, first)) {
		snapshot->broken += (size_t)(end - first);
		return 0;
	}
	if (vec_push(&snapshot->services, (struct dp_snapshot_service){}))
		return -ENOMEM;
	service = &snapshot->services.items[snapshot->services.len - 1];
	if (read_service(maps, first, end, now, snapshot, service))
		return -ENOMEM;
	snapshot->frontends += service->frontends.len;
	snapshot->backends += service->backends.len;
	return 0;
}

static int add_services(const struct dp_maps *maps, const struct dp_frontend_entry *entries,
			size_t len, uint64_t now, struct dp_snapshot *snapshot)
{
	const struct dp_frontend_entry *end = entries + len, *next;
	int err = 0;

	for (const struct dp_frontend_entry *first = entries; !err && first < end; first = next) {
		for (next = first + 1; next < end && next->value.service == first->value.service;)
			next++;
		err = add_service(maps, first, next, now, snapshot);
	}
	return err;
}

int dp_snapshot_take(const struct dp_maps *maps, const struct dp_frontend_entries *frontends,
		     uint64_t now, struct dp_snapshot *ret)
{
	_cleanup_(dp_snapshot_done) struct dp_snapshot snapshot = {
		.abi_version = maps->config->abi_version, .heartbeat = maps->config->heartbeat};
	_cleanup_free_ struct dp_frontend_entry *entries = NULL;

	snapshot.trusted = now < snapshot.heartbeat + SW_HEARTBEAT_TIMEOUT;
	if (frontends->len) {
		entries = reallocarray(NULL, frontends->len, sizeof(*entries));
		if (!entries)
			return -ENOMEM;
		memcpy(entries, frontends->items, frontends->len * sizeof(*entries));
		qsort(entries, frontends->len, sizeof(*entries), compare_entries);
	}
	if (add_services(maps, entries, frontends->len, now, &snapshot))
		return -ENOMEM;
	if (snapshot.services.len)
		qsort(snapshot.services.items, snapshot.services.len,
		      sizeof(*snapshot.services.items), compare_services);
	*ret = snapshot;
	snapshot = (struct dp_snapshot){};
	return 0;
}

void dp_snapshot_done(struct dp_snapshot *snapshot)
{
	vec_foreach(&snapshot->services, service) {
		vec_done(&service->frontends);
		vec_done(&service->backends);
	}
	vec_done(&snapshot->services);
	*snapshot = (struct dp_snapshot){};
}

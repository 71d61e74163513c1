/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_sources.h"

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/vec.h"
#include "datapath/dp_link.h"
#include "datapath/dp_maps.h"
#include "datapath/dp_pin_dir.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "sources.skel.h" // NOLINT

/* The ranges of one service that the map has, ordered, each once. */
struct source_set {
	uint32_t service;
	VEC(struct addr_range) ranges;
};

struct dp_sources {
	struct sources_bpf *skel;
	struct hashmap *sets; /* index of the service -> struct source_set, owned */
	int cgroup;
	int link; /* -1: not attached */
	char link_path[PATH_MAX];
};

static struct sw_source encode(uint32_t service, const struct addr_range *range)
{
	struct sw_source source = {.prefix = SW_SOURCE_BITS + range->prefix, .service = service};

	memcpy(source.addr.bytes, range->addr.bytes, sizeof(source.addr.bytes));
	return source;
}

static struct addr_range decode(const struct sw_source *source)
{
	struct addr_range range = {.prefix = source->prefix - SW_SOURCE_BITS};

	memcpy(range.addr.bytes, source->addr.bytes, sizeof(range.addr.bytes));
	return range;
}

static bool is_equal(const struct source_set *set, const struct addr_range *want, size_t len)
{
	for (size_t i = 0; i < len && set->ranges.len == len; i++) {
		if (addr_range_compare(&set->ranges.items[i], &want[i]) != 0)
			return false;
	}
	return set->ranges.len == len;
}

/*
 * Whether a range is among others; *position is where to go on looking for a greater one, so that all of
 * many are found in one go.
 */
static bool has_range(const struct addr_range *ranges, size_t len, const struct addr_range *range,
		      size_t *position)
{
	int order = -1;

	while (*position < len) {
		order = addr_range_compare(&ranges[*position], range);
		if (order >= 0)
			break;
		++*position;
	}
	return order == 0;
}

static int map_fd(const struct dp_sources *sources)
{
	return bpf_map__fd(sources->skel->maps.sw_sources);
}

static struct source_set *get_set(const struct dp_sources *sources, uint32_t service)
{
	return hashmap_get(sources->sets, &service, sizeof(service));
}

static int make_set(struct dp_sources *sources, uint32_t service, struct source_set **ret)
{
	_cleanup_free_ struct source_set *set = NULL;
	int err;

	*ret = get_set(sources, service);
	if (*ret)
		return 0;
	set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	set->service = service;
	err = hashmap_put(sources->sets, &service, sizeof(service), set);
	if (!err)
		*ret = TAKE_PTR(set);
	return err;
}

static void sort_set(struct source_set *set)
{
	if (set->ranges.len)
		qsort(set->ranges.items, set->ranges.len, sizeof(*set->ranges.items),
		      addr_range_compare);
}

static void free_set(struct source_set *set)
{
	vec_done(&set->ranges);
	free(set);
}

static void free_set_if_empty(struct dp_sources *sources, struct source_set *set)
{
	if (set->ranges.len)
		return;
	hashmap_remove(sources->sets, &set->service, sizeof(set->service));
	free_set(set);
}

/* Looks at packets only while somebody wants it. */
static int attach_as_needed(struct dp_sources *sources)
{
	bool on = hashmap_len(sources->sets) > 0;

	if (on == (sources->link >= 0))
		return 0;
	if (on)
		return dp_link_attach(sources->skel->progs.sources_egress, sources->link_path,
				      sources->cgroup, &sources->link);
	if (unlink(sources->link_path) && errno != ENOENT)
		return -errno;
	cleanup_close(&sources->link);
	sources->link = -1;
	return 0;
}

/* First in the mirror, so that nothing is in the map that is not known of. */
static int put(const struct dp_sources *sources, struct source_set *set,
	       const struct addr_range *range)
{
	struct sw_source key = encode(set->service, range);
	__u32 value = 1;
	int err = vec_push(&set->ranges, *range);

	if (err)
		return err;
	err = bpf_map_update_elem(map_fd(sources), &key, &value, BPF_ANY);
	if (err)
		set->ranges.len--;
	return err;
}

static int add_missing(const struct dp_sources *sources, struct source_set *set,
		       const struct addr_range *want, size_t len)
{
	size_t before = set->ranges.len, position = 0;
	int err = 0;

	for (size_t i = 0; !err && i < len; i++) {
		if (!has_range(set->ranges.items, before, &want[i], &position))
			err = put(sources, set, &want[i]);
	}
	sort_set(set);
	return err;
}

int dp_sources_add(struct dp_sources *sources, uint32_t service, const struct addr_range *want,
		   size_t len)
{
	struct source_set *set;
	int err;

	if (!sources || !len)
		return 0;
	err = make_set(sources, service, &set);
	if (err)
		return err;
	if (!is_equal(set, want, len))
		err = add_missing(sources, set, want, len);
	free_set_if_empty(sources, set);
	return err ? err : attach_as_needed(sources);
}

static int drop_others(const struct dp_sources *sources, struct source_set *set,
		       const struct addr_range *want, size_t len)
{
	size_t kept = 0, position = 0;
	int result = 0;

	for (size_t i = 0; i < set->ranges.len; i++) {
		struct addr_range range = set->ranges.items[i];
		struct sw_source key = encode(set->service, &range);
		int err = 0;

		if (!has_range(want, len, &range, &position)) {
			err = bpf_map_delete_elem(map_fd(sources), &key);
			if (!err || err == -ENOENT)
				continue;
			result = err;
		}
		set->ranges.items[kept++] = range;
	}
	set->ranges.len = kept;
	return result;
}

int dp_sources_drop(struct dp_sources *sources, uint32_t service, const struct addr_range *want,
		    size_t len)
{
	struct source_set *set = sources ? get_set(sources, service) : NULL;
	int err, attach_err;

	if (!set || is_equal(set, want, len))
		return 0;
	err = drop_others(sources, set, want, len);
	free_set_if_empty(sources, set);
	attach_err = attach_as_needed(sources);
	return err ? err : attach_err;
}

size_t dp_sources_count(const struct dp_sources *sources)
{
	size_t count = 0;

	if (!sources)
		return 0;
	hashmap_foreach(sources->sets, iter)
		count += ((const struct source_set *)iter.value)->ranges.len;
	return count;
}

static int adopt(struct dp_sources *sources)
{
	const struct sw_source *previous = NULL;
	struct sw_source key;
	int err;

	while (!(err = bpf_map_get_next_key(map_fd(sources), previous, &key))) {
		struct addr_range range = decode(&key);
		struct source_set *set;

		err = make_set(sources, key.service, &set);
		if (!err)
			err = vec_push(&set->ranges, range);
		if (err)
			return err;
		previous = &key;
	}
	hashmap_foreach(sources->sets, iter)
		sort_set(iter.value);
	return err == -ENOENT ? 0 : err;
}

/* A crash came between the last frontend of a service and its ranges. */
static int drop_unused(struct dp_sources *sources, const struct dp_ids *services)
{
	int err = 0;

	hashmap_foreach(sources->sets, iter) {
		uint32_t service = ((const struct source_set *)iter.value)->service;

		if (!err && !dp_ids_is_used(services, service))
			err = dp_sources_drop(sources, service, NULL, 0);
	}
	return err;
}

static int pin_map(const struct dp_sources *sources, const char *pin_dir)
{
	char path[PATH_MAX];
	int err = dp_pin_path(pin_dir, "sw_sources", path, sizeof(path));

	if (err || !access(path, F_OK))
		return err;
	return bpf_obj_pin(map_fd(sources), path);
}

static int load(struct dp_sources *sources, const char *pin_dir)
{
	int err;

	sources->skel = sources_bpf__open();
	if (!sources->skel)
		return errno ? -errno : -ENOMEM;
	err = dp_maps_reuse(sources->skel->obj, pin_dir);
	if (!err)
		err = sources_bpf__load(sources->skel);
	return err ? err : pin_map(sources, pin_dir);
}

/* Without a gap where it was attached. */
static int take_over(struct dp_sources *sources, const char *pin_dir)
{
	int err = dp_pin_path(pin_dir, "sw_link_sources", sources->link_path,
			      sizeof(sources->link_path));

	if (!err && !access(sources->link_path, F_OK))
		err = dp_link_attach(sources->skel->progs.sources_egress, sources->link_path,
				     sources->cgroup, &sources->link);
	if (!err)
		err = adopt(sources);
	return err ? err : attach_as_needed(sources);
}

static void close_sources(struct dp_sources **sources)
{
	dp_sources_close(*sources);
}

struct dp_sources *dp_sources_install(const struct dp_install *install,
				      const struct dp_ids *services)
{
	_cleanup_(close_sources) struct dp_sources *sources = calloc(1, sizeof(*sources));
	int err;

	if (!sources) {
		log_error("out of memory: loadBalancerSourceRanges are not looked at");
		return NULL;
	}
	sources->link = -1;
	sources->cgroup = open(install->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = sources->cgroup < 0 ? -EBADF : hashmap_new(&sources->sets);
	if (!err)
		err = load(sources, install->pin_dir);
	if (!err)
		err = take_over(sources, install->pin_dir);
	if (!err)
		err = drop_unused(sources, services);
	if (!err)
		return TAKE_PTR(sources);
	log_warn("loadBalancerSourceRanges are not looked at: the kernel does not take the program "
		 "or its map (%s); --log-level debug shows its reasons",
		 strerror(-err));
	return NULL;
}

void dp_sources_close(struct dp_sources *sources)
{
	if (!sources)
		return;
	if (sources->sets) {
		hashmap_foreach(sources->sets, iter)
			free_set(iter.value);
	}
	hashmap_free(sources->sets);
	cleanup_close(&sources->link);
	cleanup_close(&sources->cgroup);
	sources_bpf__destroy(sources->skel);
	free(sources);
}

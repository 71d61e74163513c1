/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_maps.h"

#include "base/cleanup.h"
#include "datapath/dp_pin_dir.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct map_shape {
	const char *name;
	enum bpf_map_type type;
	__u32 key_size, value_size, max_entries;
};

static const struct map_shape shapes[DP_MAP_COUNT] = {
	[DP_MAP_FRONTENDS] = {"sw_frontends", BPF_MAP_TYPE_HASH, sizeof(struct sw_frontend_key),
			      sizeof(struct sw_frontend), SW_MAX_FRONTENDS},
	[DP_MAP_NODES] = {"sw_nodes", BPF_MAP_TYPE_HASH, sizeof(struct sw_addr),
			  sizeof(struct sw_node), SW_MAX_NODES},
	[DP_MAP_SERVICES] = {"sw_services", BPF_MAP_TYPE_ARRAY, sizeof(__u32),
			     sizeof(struct sw_service), SW_MAX_SERVICES},
	[DP_MAP_SLOTS] = {"sw_slots", BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct sw_slot),
			  SW_MAX_SLOTS},
	[DP_MAP_BACKENDS] = {"sw_backends", BPF_MAP_TYPE_ARRAY, sizeof(__u32),
			     sizeof(struct sw_backend), SW_MAX_BACKENDS},
	[DP_MAP_BACKEND_LOAD] = {"sw_backend_load", BPF_MAP_TYPE_ARRAY, sizeof(__u32),
				 sizeof(struct sw_backend_load), SW_MAX_BACKENDS},
	[DP_MAP_OUTLIER] = {"sw_outlier", BPF_MAP_TYPE_ARRAY, sizeof(__u32),
			    sizeof(struct sw_outlier), SW_MAX_SERVICES},
	[DP_MAP_EVENTS] = {"sw_events", BPF_MAP_TYPE_RINGBUF, 0, 0, SW_EVENTS_SIZE},
	[DP_MAP_SOCKETS] = {"sw_sockets", BPF_MAP_TYPE_SK_STORAGE, sizeof(int),
			    sizeof(struct sw_socket), 0},
	[DP_MAP_AFFINITY] = {"sw_affinity", BPF_MAP_TYPE_LRU_HASH, sizeof(struct sw_affinity_key),
			     sizeof(struct sw_affinity), SW_MAX_AFFINITY},
	[DP_MAP_UDP_FLOWS] = {"sw_udp_flows", BPF_MAP_TYPE_SK_STORAGE, sizeof(int),
			      sizeof(struct sw_udp_flows), 0},
	[DP_MAP_UDP_REVERSE] = {"sw_udp_reverse", BPF_MAP_TYPE_LRU_HASH,
				sizeof(struct sw_udp_reverse_key), sizeof(struct sw_udp_reverse),
				SW_MAX_UDP_SPILL},
	[DP_MAP_CONFIG] = {"sw_config", BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct sw_config),
			   1},
};

const char *dp_map_name(enum dp_map map)
{
	return shapes[map].name;
}

static int open_pinned(const char *pin_dir, enum dp_map map, bool writable, int *ret_fd)
{
	DECLARE_LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = writable ? 0 : BPF_F_RDONLY);
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", pin_dir, shapes[map].name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = bpf_obj_get_opts(path, &opts);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int check_shape(const char *pin_dir, enum dp_map map)
{
	_cleanup_close_ int fd = -1;
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int err = open_pinned(pin_dir, map, false, &fd);

	if (err)
		return err;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	if (err)
		return err;
	if (info.type != shapes[map].type || info.key_size != shapes[map].key_size ||
	    info.value_size != shapes[map].value_size ||
	    info.max_entries != shapes[map].max_entries)
		return -EPROTO;
	return 0;
}

/* The version is the first field of sw_config in every version, whatever follows. */
static int read_version(const char *pin_dir, __u32 *ret_version)
{
	_cleanup_close_ int fd = -1;
	struct bpf_map_info info = {};
	__u32 size = sizeof(info), zero = 0;
	_cleanup_free_ __u32 *value = NULL;
	int err = open_pinned(pin_dir, DP_MAP_CONFIG, false, &fd);

	if (err)
		return err;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	if (err)
		return err;
	if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size < sizeof(__u32))
		return -EPROTO;
	value = calloc(1, info.value_size + sizeof(__u64));
	if (!value)
		return -ENOMEM;
	err = bpf_map_lookup_elem(fd, &zero, value);
	if (err)
		return err;
	*ret_version = *value;
	return 0;
}

int dp_maps_check(const char *pin_dir, __u32 *ret_version)
{
	__u32 version = 0;
	int err = read_version(pin_dir, &version);

	*ret_version = version;
	if (err)
		return err;
	if (version != SW_ABI_VERSION)
		return -EPROTO;
	for (int map = 0; map < DP_MAP_COUNT; map++) {
		err = check_shape(pin_dir, map);
		if (err)
			return err == -ENOENT || err == -EPROTO ? -EUCLEAN : err;
	}
	return 0;
}

int dp_maps_reuse(struct bpf_object *object, const char *pin_dir)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		_cleanup_close_ int fd = -1;
		char path[PATH_MAX];
		int err;

		/* Constants of the object; and bpffs takes no dots in names. */
		if (bpf_map__is_internal(map))
			continue;
		err = dp_pin_path(pin_dir, bpf_map__name(map), path, sizeof(path));
		if (err)
			return err;
		fd = bpf_obj_get(path);
		if (fd == -ENOENT)
			continue;
		/* libbpf duplicates the descriptor. */
		err = fd < 0 ? fd : bpf_map__reuse_fd(map, fd);
		if (err)
			return err;
	}
	return 0;
}

static size_t array_size(enum dp_map map)
{
	size_t size = (size_t)shapes[map].value_size * shapes[map].max_entries;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

/*
 * Opened for writing also to be read: the kernel maps BPF memory only as shared, and takes that
 * from a mapping of a read-only descriptor (do_mmap(), bpf_map_mmap()). The pages are read-only.
 */
static int map_array(const char *pin_dir, enum dp_map map, bool writable, void *ret)
{
	int protection = PROT_READ | (writable ? PROT_WRITE : 0);
	_cleanup_close_ int fd = -1;
	void *memory;
	int err = open_pinned(pin_dir, map, true, &fd);

	if (err)
		return err;
	memory = mmap(NULL, array_size(map), protection, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	*(void **)ret = memory;
	return 0;
}

int dp_maps_open(const char *pin_dir, bool writable, struct dp_maps *ret)
{
	struct dp_maps maps = {.frontends_fd = -1, .nodes_fd = -1, .sockets_fd = -1};
	int err = open_pinned(pin_dir, DP_MAP_FRONTENDS, writable, &maps.frontends_fd);

	if (!err)
		err = open_pinned(pin_dir, DP_MAP_NODES, writable, &maps.nodes_fd);
	if (!err)
		err = open_pinned(pin_dir, DP_MAP_SOCKETS, writable, &maps.sockets_fd);
	if (!err)
		err = map_array(pin_dir, DP_MAP_SERVICES, writable, &maps.services);
	if (!err)
		err = map_array(pin_dir, DP_MAP_SLOTS, writable, &maps.slots);
	if (!err)
		err = map_array(pin_dir, DP_MAP_BACKENDS, writable, &maps.backends);
	if (!err)
		err = map_array(pin_dir, DP_MAP_BACKEND_LOAD, writable, &maps.backend_load);
	if (!err)
		err = map_array(pin_dir, DP_MAP_CONFIG, writable, &maps.config);
	if (err) {
		dp_maps_close(&maps);
		return err;
	}
	*ret = maps;
	return 0;
}

static void unmap_array(void *memory, enum dp_map map)
{
	if (memory)
		munmap(memory, array_size(map));
}

void dp_maps_close(struct dp_maps *maps)
{
	if (maps->frontends_fd >= 0)
		close(maps->frontends_fd);
	if (maps->nodes_fd >= 0)
		close(maps->nodes_fd);
	if (maps->sockets_fd >= 0)
		close(maps->sockets_fd);
	unmap_array(maps->services, DP_MAP_SERVICES);
	unmap_array(maps->slots, DP_MAP_SLOTS);
	unmap_array(maps->backends, DP_MAP_BACKENDS);
	unmap_array(maps->backend_load, DP_MAP_BACKEND_LOAD);
	unmap_array(maps->config, DP_MAP_CONFIG);
	*maps = (struct dp_maps){.frontends_fd = -1, .nodes_fd = -1, .sockets_fd = -1};
}

int dp_maps_read_socket(const struct dp_maps *maps, int fd, struct sw_socket *ret)
{
	return bpf_map_lookup_elem(maps->sockets_fd, &fd, ret);
}

int dp_maps_put_frontend(const struct dp_maps *maps, const struct sw_frontend_key *key,
			 const struct sw_frontend *value)
{
	return bpf_map_update_elem(maps->frontends_fd, key, value, BPF_ANY);
}

int dp_maps_delete_frontend(const struct dp_maps *maps, const struct sw_frontend_key *key)
{
	int err = bpf_map_delete_elem(maps->frontends_fd, key);

	return err == -ENOENT ? 0 : err;
}

int dp_maps_read_frontends(const struct dp_maps *maps, struct dp_frontend_entries *ret)
{
	struct dp_frontend_entries entries = {};
	struct dp_frontend_entry entry;
	const struct sw_frontend_key *previous = NULL;
	int err;

	while (!(err = bpf_map_get_next_key(maps->frontends_fd, previous, &entry.key))) {
		struct sw_frontend_key key = entry.key;

		/* An entry that was deleted meanwhile is just not there. */
		if (!bpf_map_lookup_elem(maps->frontends_fd, &key, &entry.value))
			err = vec_push(&entries, entry);
		if (err)
			break;
		previous = &entry.key;
	}
	if (err && err != -ENOENT) {
		vec_done(&entries);
		return err;
	}
	*ret = entries;
	return 0;
}

static int put_node(const struct dp_maps *maps, const struct dp_node *node)
{
	struct sw_node value = {.kind = node->kind};

	return bpf_map_update_elem(maps->nodes_fd, &node->addr, &value, BPF_ANY);
}

static int delete_node(const struct dp_maps *maps, const struct sw_addr *addr)
{
	int err = bpf_map_delete_elem(maps->nodes_fd, addr);

	return err == -ENOENT ? 0 : err;
}

static int read_nodes(const struct dp_maps *maps, struct dp_nodes *ret)
{
	struct dp_nodes nodes = {};
	struct dp_node node;
	const struct sw_addr *previous = NULL;
	struct sw_addr key;
	int err;

	while (!(err = bpf_map_get_next_key(maps->nodes_fd, previous, &node.addr))) {
		struct sw_node value;

		key = node.addr;
		previous = &key;
		if (bpf_map_lookup_elem(maps->nodes_fd, &key, &value))
			continue;
		node.kind = value.kind;
		err = vec_push(&nodes, node);
		if (err)
			break;
	}
	if (err && err != -ENOENT) {
		vec_done(&nodes);
		return err;
	}
	*ret = nodes;
	return 0;
}

static int change_node(const struct dp_maps *maps, const struct dp_node *change)
{
	return change->kind ? put_node(maps, change) : delete_node(maps, &change->addr);
}

/*
 * What is there is read each time: it changes rarely, and so nothing has to be remembered of a
 * change that failed in part or of a daemon before this one.
 */
int dp_maps_set_nodes(const struct dp_maps *maps, const struct dp_nodes *want)
{
	struct dp_nodes have = {}, changes = {};
	int err = read_nodes(maps, &have);

	dp_nodes_sort_unique(&have);
	if (!err)
		err = dp_nodes_diff(&have, want, &changes);
	for (size_t i = 0; !err && i < changes.len; i++)
		err = change_node(maps, &changes.items[i]);
	vec_done(&have);
	vec_done(&changes);
	return err;
}

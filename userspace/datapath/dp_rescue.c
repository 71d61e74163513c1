/* SPDX-License-Identifier: Apache-2.0 */
/* Opens the pinned maps by itself, so that it shares no memory of the process with `datapath`. */
#include "datapath/dp_rescue.h"

#include "base/cleanup.h"
#include "datapath/dp_maps.h"
#include "datapath/dp_pick.h"
#include "datapath/dp_pin_dir.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>

#include "rescue.skel.h" // NOLINT

enum { HOOKS = 3, RECORDS_AT_ONCE = 256, OUTSTANDING_AT_ONCE = 256, PICK_TRIES = 3 };

struct dp_rescue {
	struct rescue_bpf *skel;
	struct dp_maps maps;
	struct ring_buffer *ring;
	int cgroup_fd;
	int links[HOOKS];
	const uint64_t *requests; /* sw_request_count */
	dp_rescue_record_fn *fn;  /* while records are consumed */
	void *arg;
	size_t left; /* how many more may be consumed */
};

static const size_t requests_size = SW_MAX_SERVICES * sizeof(uint64_t);

static int on_record(void *arg, void *data, size_t size)
{
	struct dp_rescue *rescue = arg;

	if (size >= sizeof(struct sw_rescue))
		rescue->fn(rescue->arg, data, size);
	/* That one is consumed all the same. */
	return --rescue->left ? 0 : -EAGAIN;
}

/* Maps that are pinned are shared, the others are made anew. */
static int reuse_pinned(struct bpf_object *object, const char *pin_dir)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		_cleanup_close_ int fd = -1;
		char path[PATH_MAX];
		int err;

		if (bpf_map__is_internal(map))
			continue; /* .bss and the like */
		if (dp_pin_path(pin_dir, bpf_map__name(map), path, sizeof(path)))
			return -ENAMETOOLONG;
		fd = bpf_obj_get(path);
		if (fd == -ENOENT)
			continue;
		err = fd < 0 ? fd : bpf_map__reuse_fd(map, fd);
		if (err)
			return err;
	}
	return 0;
}

static int load(struct dp_rescue *rescue, const char *pin_dir)
{
	void *memory;
	int err;

	rescue->skel = rescue_bpf__open();
	if (!rescue->skel)
		return -errno;
	err = reuse_pinned(rescue->skel->obj, pin_dir);
	if (!err)
		err = rescue_bpf__load(rescue->skel);
	if (err)
		return err;
	rescue->ring = ring_buffer__new(bpf_map__fd(rescue->skel->maps.sw_rescues), on_record,
					rescue, NULL);
	if (!rescue->ring)
		return -errno;
	memory = mmap(NULL, requests_size, PROT_READ, MAP_SHARED,
		      bpf_map__fd(rescue->skel->maps.sw_request_count), 0);
	if (memory == MAP_FAILED)
		return -errno;
	rescue->requests = memory;
	return 0;
}

static void close_rescue(struct dp_rescue **rescue)
{
	dp_rescue_close(*rescue);
}

int dp_rescue_open(const char *cgroup, const char *pin_dir, struct dp_rescue **ret,
		   struct dp_problem *problem)
{
	_cleanup_(close_rescue) struct dp_rescue *rescue = calloc(1, sizeof(*rescue));
	int err;

	if (!rescue)
		return dp_problem(problem, -ENOMEM, "out of memory.");
	for (int i = 0; i < HOOKS; i++)
		rescue->links[i] = -1;
	rescue->maps = (struct dp_maps){.frontends_fd = -1, .sockets_fd = -1};
	rescue->cgroup_fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rescue->cgroup_fd < 0)
		return dp_problem(problem, -errno, "can not open the cgroup \"%s\": %s.", cgroup,
				  strerror(errno));
	err = dp_maps_open(pin_dir, false, &rescue->maps);
	if (!err)
		err = load(rescue, pin_dir);
	if (err)
		return dp_problem(problem, err, "the kernel does not take the rescue programs: %s.",
				  strerror(-err));
	*ret = TAKE_PTR(rescue);
	return 0;
}

void dp_rescue_close(struct dp_rescue *rescue)
{
	if (!rescue)
		return;
	dp_rescue_detach(rescue);
	if (rescue->requests)
		munmap((void *)rescue->requests, requests_size);
	ring_buffer__free(rescue->ring);
	rescue_bpf__destroy(rescue->skel);
	dp_maps_close(&rescue->maps);
	cleanup_close(&rescue->cgroup_fd);
	free(rescue);
}

int dp_rescue_attach(struct dp_rescue *rescue)
{
	/* What is received first: what is captured can be held from the first packet on. */
	const struct bpf_program *programs[HOOKS] = {rescue->skel->progs.rescue_ingress,
						     rescue->skel->progs.rescue_established,
						     rescue->skel->progs.rescue_egress};

	for (int i = 0; i < HOOKS; i++) {
		int fd;

		if (rescue->links[i] >= 0)
			continue;
		fd = bpf_link_create(bpf_program__fd(programs[i]), rescue->cgroup_fd,
				     bpf_program__expected_attach_type(programs[i]), NULL);
		if (fd < 0) {
			dp_rescue_detach(rescue);
			return fd;
		}
		rescue->links[i] = fd;
	}
	return 0;
}

void dp_rescue_detach(struct dp_rescue *rescue)
{
	for (int i = 0; i < HOOKS; i++) {
		cleanup_close(&rescue->links[i]);
		rescue->links[i] = -1;
	}
}

void dp_rescue_heartbeat(struct dp_rescue *rescue, uint64_t now)
{
	rescue->skel->bss->rescue_heartbeat = now;
}

int dp_rescue_fd(const struct dp_rescue *rescue)
{
	return ring_buffer__epoll_fd(rescue->ring);
}

bool dp_rescue_consume(struct dp_rescue *rescue, dp_rescue_record_fn *fn, void *arg)
{
	rescue->left = RECORDS_AT_ONCE;
	rescue->fn = fn;
	rescue->arg = arg;
	ring_buffer__consume(rescue->ring);
	return !rescue->left;
}

/* Some buckets of the hash at a time: two system calls for each entry take too long. */
void dp_rescue_each_outstanding(struct dp_rescue *rescue, dp_rescue_outstanding_fn *fn, void *arg)
{
	int fd = bpf_map__fd(rescue->skel->maps.sw_outstanding);
	struct sw_outstanding values[OUTSTANDING_AT_ONCE];
	__u64 keys[OUTSTANDING_AT_ONCE];
	__u32 position = 0, count;
	bool begun = false;
	int err;

	do {
		count = OUTSTANDING_AT_ONCE;
		err = bpf_map_lookup_batch(fd, begun ? &position : NULL, &position, keys, values,
					   &count, NULL);
		/* The end; there may be some all the same. Others are met by the next scan. */
		if (err && err != -ENOENT)
			return;
		begun = true;
		for (__u32 i = 0; i < count; i++)
			fn(arg, keys[i], &values[i]);
	} while (!err);
}

void dp_rescue_forget_outstanding(struct dp_rescue *rescue, uint64_t cookie)
{
	__u64 key = cookie;

	bpf_map_delete_elem(bpf_map__fd(rescue->skel->maps.sw_outstanding), &key);
}

void dp_rescue_let_go(struct dp_rescue *rescue, const struct sw_rescue *record)
{
	__u64 cookie = record->cookie, since = record->since;

	/* Should it fail: the kernel lets it go by itself, only later. */
	(void)bpf_map_update_elem(bpf_map__fd(rescue->skel->maps.sw_let_go), &cookie, &since,
				  BPF_ANY);
}

static bool read_frontend(const struct dp_rescue *rescue, const struct sw_frontend_key *key,
			  uint32_t service, struct sw_frontend *ret)
{
	return !bpf_map_lookup_elem(rescue->maps.frontends_fd, key, ret) &&
	       ret->check == sw_frontend_check(key, ret) && ret->service == service;
}

/* The address itself, or the NodePort behind it: which of them, the service tells. */
static bool find_frontend(const struct dp_rescue *rescue, const struct dp_rescue_choice *choice,
			  struct sw_frontend *ret)
{
	struct sw_frontend_key key = {.addr = choice->addr,
				      .port = choice->port,
				      .proto = IPPROTO_TCP,
				      .scope = SW_SCOPE_ADDRESS};

	if (read_frontend(rescue, &key, choice->service, ret))
		return true;
	key.scope = SW_SCOPE_OTHER_NODES;
	if (read_frontend(rescue, &key, choice->service, ret))
		return true;
	/* Of the address only its family is left: ::ffff:0:0, or all zero. */
	if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)choice->addr.bytes))
		memset(key.addr.bytes + 12, 0, 4);
	else
		key.addr = (struct sw_addr){};
	key.scope = SW_SCOPE_THIS_NODE;
	if (read_frontend(rescue, &key, choice->service, ret))
		return true;
	key.scope = SW_SCOPE_OTHER_NODES;
	return read_frontend(rescue, &key, choice->service, ret);
}

static int pick_once(const struct dp_rescue *rescue, const struct dp_rescue_choice *choice,
		     uint64_t now, uint32_t *ret_index, struct sw_backend *ret_backend)
{
	struct sw_frontend frontend;
	struct dp_pick pick = {.frontend = &frontend,
			       .slots = rescue->maps.slots,
			       .backends = rescue->maps.backends,
			       .tried = choice->tried,
			       .tried_count = choice->tried_count,
			       .now = now,
			       .random = choice->random};
	uint32_t index;

	if (!find_frontend(rescue, choice, &frontend))
		return -ENOENT;
	index = dp_pick(&pick);
	if (!index)
		return -ENOENT;
	*ret_index = index;
	*ret_backend = rescue->maps.backends[index];
	return ret_backend->service == frontend.service ? 0 : -ENOENT;
}

/*
 * The agent's thread replaces elements while we read them, as it does at the very moment at which a backend fails.
 * The kernel may then not find the element at all, or with what belongs to another one: once more, as in
 * bpf/frontend.bpf.h.
 */
int dp_rescue_pick(const struct dp_rescue *rescue, const struct dp_rescue_choice *choice,
		   uint64_t now, uint32_t *ret_index, struct sw_backend *ret_backend)
{
	int err = -ENOENT;

	for (int i = 0; err && i < PICK_TRIES; i++)
		err = pick_once(rescue, choice, now, ret_index, ret_backend);
	return err;
}

bool dp_rescue_has_been_usable(const struct dp_rescue *rescue,
			       const struct dp_rescue_choice *choice, uint32_t backend,
			       uint64_t since, uint64_t now)
{
	struct sw_frontend frontend;
	struct dp_pick pick = {.frontend = &frontend,
			       .slots = rescue->maps.slots,
			       .backends = rescue->maps.backends,
			       .now = now};

	return find_frontend(rescue, choice, &frontend) &&
	       dp_pick_has_been_usable(&pick, backend, since);
}

const struct sw_service *dp_rescue_service(const struct dp_rescue *rescue, uint32_t service)
{
	return &rescue->maps.services[service < SW_MAX_SERVICES ? service : 0];
}

uint64_t dp_rescue_requests(const struct dp_rescue *rescue, uint32_t service)
{
	return rescue->requests[service < SW_MAX_SERVICES ? service : 0];
}

uint64_t dp_rescue_overruns(const struct dp_rescue *rescue)
{
	return rescue->skel->bss->rescue_overruns;
}

uint64_t dp_rescue_impossible(const struct dp_rescue *rescue, enum sw_obstacle obstacle)
{
	return rescue->skel->bss->rescue_impossible[obstacle];
}

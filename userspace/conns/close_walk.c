/* SPDX-License-Identifier: Apache-2.0 */
#include "conns/close_walk.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "conns/netns_list.h"
#include "swerve_abi.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

/* Closing takes some 10 us each, with locks of the network stack held: leave room for others. */
#define SLICE (10 * NSEC_PER_MSEC)
enum { SOCKETS_PER_SLICE = 1000 };

/* Room for how many sockets there is now; waits if there is none. 0: the thread is to end. */
static size_t take_room(struct close_walk *walk)
{
	uint64_t now = clock_now();

	if (walk->in_slice >= SOCKETS_PER_SLICE && now < walk->slice + SLICE &&
	    !walk->wait(walk, walk->slice + SLICE))
		return 0;
	now = clock_now();
	if (now >= walk->slice + SLICE) {
		walk->slice = now;
		walk->in_slice = 0;
	}
	return SOCKETS_PER_SLICE - walk->in_slice;
}

static void note_error(struct closer_result *result, int err)
{
	if (!err)
		return;
	result->errors++;
	if (!result->error)
		result->error = err;
}

/* Closes sockets of one job. Returns whether to go on. */
static bool destroy(struct close_walk *walk, int fd, const struct sock_diag_socket *sockets,
		    size_t count, struct closer_result *result)
{
	while (count) {
		size_t n = take_room(walk);

		if (!n)
			return false;
		n = n < count ? n : count;
		note_error(result, sock_diag_destroy(fd, sockets, n, &result->closed));
		walk->in_slice += n;
		sockets += n;
		count -= n;
	}
	return true;
}

static int compare_targets(const void *a, const void *b)
{
	const struct sock_diag_socket *x = a, *y = b;

	return (x->target > y->target) - (x->target < y->target);
}

/* Jobs of one protocol, as many as fit into a query, and their results. */
struct group {
	struct sock_diag_target targets[SOCK_DIAG_MAX_TARGETS];
	struct closer_result *results[SOCK_DIAG_MAX_TARGETS];
	size_t count;
	uint8_t proto;
};

static bool close_found(struct close_walk *walk, int fd, struct sock_diag_sockets *found,
			const struct group *group)
{
	size_t from = 0;

	qsort(found->items, found->len, sizeof(*found->items), compare_targets);
	while (from < found->len) {
		uint16_t target = found->items[from].target;
		size_t to = from;

		while (to < found->len && found->items[to].target == target)
			to++;
		if (!destroy(walk, fd, &found->items[from], to - from, group->results[target]))
			return false;
		from = to;
	}
	return true;
}

static void group_failed(const struct group *group, int err)
{
	for (size_t i = 0; i < group->count; i++)
		note_error(group->results[i], err);
}

/* What the owner of the socket passed to connect(). */
static socklen_t frontend_sockaddr(const struct sw_socket *storage, uint8_t family,
				   struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct addr addr;

	memcpy(addr.bytes, storage->frontend_addr.bytes, sizeof(addr.bytes));
	if (family == AF_INET)
		return addr_to_sockaddr(&addr, storage->frontend_port, ret);
	*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
				    .sin6_port = htons(storage->frontend_port)};
	memcpy(&v6->sin6_addr, addr.bytes, sizeof(addr.bytes));
	return sizeof(*v6);
}

/*
 * The socket connects to its frontend once more, by a duplicate of the descriptor: the kernel runs
 * the hook of the socket's cgroup, and the owner notices nothing. Should he connect it elsewhere in
 * the very same moment, his call is undone; with SOCK_DESTROY the socket would be lost as well.
 */
static bool move(const struct socket_owner_walk *owner, const struct sock_diag_socket *socket,
		 int fd, const struct sw_socket *storage)
{
	const struct group *group = owner->arg;
	struct sockaddr_storage sa;
	socklen_t size = frontend_sockaddr(storage, socket->family, &sa);
	struct sw_socket now;

	if (connect(fd, (struct sockaddr *)&sa, size) ||
	    owner->storage(owner->storage_arg, fd, &now) ||
	    (now.backend == storage->backend && now.generation == storage->generation))
		return true;
	group->results[socket->target]->moved++;
	return false;
}

static bool close_family(struct close_walk *walk, int fd, uint8_t family, const struct group *group)
{
	struct sock_diag_query query = {.family = family,
					.proto = group->proto,
					.sockets_fd = walk->sockets_fd,
					.targets = group->targets,
					.count = group->count};
	struct socket_owner_walk owner = {.query = &query,
					  .storage = walk->storage,
					  .storage_arg = walk->storage_arg,
					  .found = move,
					  .arg = group};
	struct sock_diag_sockets found = {};
	bool go_on = true;

	group_failed(group, sock_diag_find(fd, &query, &found));
	if (found.len && group->proto == IPPROTO_UDP)
		group_failed(group, socket_owner_match(&owner, &found));
	if (found.len)
		go_on = close_found(walk, fd, &found, group);
	vec_done(&found);
	return go_on;
}

/* What needs no permission asks for none: one's own namespace is served without CAP_SYS_ADMIN. */
static int enter(struct close_walk *walk, int netns_fd)
{
	struct stat file;

	if (fstat(netns_fd, &file))
		return -errno;
	if (file.st_ino == walk->inside)
		return 0;
	if (setns(netns_fd, CLONE_NEWNET))
		return -errno;
	walk->inside = file.st_ino;
	return 0;
}

/* In one namespace. Returns whether to go on. */
static bool close_group(struct close_walk *walk, const struct netns *netns,
			const struct group *group)
{
	_cleanup_close_ int fd = -1;
	int err = enter(walk, netns->fd);

	if (!err)
		err = sock_diag_open(&fd);
	if (err) {
		group_failed(group, err);
		return true;
	}
	for (size_t i = 0; i < group->count; i++)
		group->results[i]->namespaces++;
	return close_family(walk, fd, AF_INET, group) && close_family(walk, fd, AF_INET6, group);
}

/* Collects the next jobs of a protocol from *position on. Returns false if there are none. */
static bool next_group(struct closer_results *results, uint8_t proto, size_t *position,
		       struct group *ret)
{
	ret->count = 0;
	ret->proto = proto;
	for (; *position < results->len && ret->count < SOCK_DIAG_MAX_TARGETS; (*position)++) {
		struct closer_result *result = &results->items[*position];

		if (result->job.proto != proto)
			continue;
		ret->targets[ret->count] = result->job.target;
		ret->results[ret->count++] = result;
	}
	return ret->count > 0;
}

static bool close_protocol(struct close_walk *walk, const struct netns_list *list, uint8_t proto,
			   struct closer_results *results)
{
	struct group group;
	size_t position = 0;

	while (next_group(results, proto, &position, &group)) {
		vec_foreach(list, netns) {
			if (!close_group(walk, netns, &group))
				return false;
		}
	}
	return true;
}

/* Without /proc, there are the connections of this namespace at least. */
void close_walk_run(struct close_walk *walk, struct closer_results *results)
{
	struct netns_list list = {};
	int err = netns_list_read(&list, "/proc");

	if (!list.len) {
		struct netns own = {.fd = fcntl(walk->home, F_DUPFD_CLOEXEC, 0)};

		if (own.fd < 0 || vec_push(&list, own))
			err = err ? err : -ENOMEM;
	}
	vec_foreach(results, result)
		note_error(result, err);
	if (close_protocol(walk, &list, IPPROTO_TCP, results))
		close_protocol(walk, &list, IPPROTO_UDP, results);
	netns_list_done(&list);
	err = enter(walk, walk->home);
	vec_foreach(results, result)
		note_error(result, err);
}

int close_walk_init(struct close_walk *walk)
{
	struct stat file;

	walk->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (walk->home < 0 || fstat(walk->home, &file))
		return -errno;
	walk->inside = file.st_ino;
	return 0;
}

void close_walk_done(struct close_walk *walk)
{
	cleanup_close(&walk->home);
}

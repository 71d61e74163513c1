/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/client_netns.h"

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "conns/netns_list.h"
#include "conns/sock_diag.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/socket.h>

#define KEEP (2 * NSEC_PER_SEC)

struct client_netns {
	struct client_netns_cache *cache;
	struct netns id; /* owns the descriptor */
	int diag;        /* sock_diag there */
	int raw4, raw6;  /* raw sockets there; raw6 is -1 where there is no IPv6 */
	unsigned int references;
	uint64_t used;
};

struct client_netns_cache {
	int home;
	VEC(struct client_netns *) list;
	struct hashmap *by_addr; /* address of a client → struct client_netns, a guess */
};

/* Without its own namespace the worker would be lost: it never is left in another one. */
static void go_home(const struct client_netns_cache *cache)
{
	while (setns(cache->home, CLONE_NEWNET) && errno == EINTR)
		;
}

static int open_raw(int family)
{
	return socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
}

static void free_netns(struct client_netns *netns)
{
	cleanup_close(&netns->id.fd);
	cleanup_close(&netns->diag);
	cleanup_close(&netns->raw4);
	cleanup_close(&netns->raw6);
	free(netns);
}

static void cleanup_netns(struct client_netns **netns)
{
	if (*netns)
		free_netns(*netns);
}

static int open_sockets(struct client_netns *netns)
{
	int err, on = 1;

	if (setns(netns->id.fd, CLONE_NEWNET))
		return -errno;
	err = sock_diag_open(&netns->diag);
	netns->raw4 = open_raw(AF_INET);
	if (!err && netns->raw4 < 0)
		err = -errno;
	netns->raw6 = open_raw(AF_INET6);
	go_home(netns->cache);
	if (netns->raw6 >= 0 &&
	    setsockopt(netns->raw6, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof(on)))
		return -errno;
	return err;
}

/* Takes the descriptor of *id over. */
static int open_netns(struct client_netns_cache *cache, struct netns *id, struct client_netns **ret)
{
	_cleanup_(cleanup_netns) struct client_netns *netns = calloc(1, sizeof(*netns));
	int err;

	if (!netns)
		return -ENOMEM;
	netns->cache = cache;
	netns->id = *id;
	id->fd = -1;
	netns->diag = netns->raw4 = netns->raw6 = -1;
	err = open_sockets(netns);
	if (err)
		return err;
	*ret = TAKE_PTR(netns);
	return 0;
}

static void cleanup_cache(struct client_netns_cache **cache)
{
	client_netns_cache_free(*cache);
}

/* Tries out at once what will be needed. */
static int check_rights(const struct client_netns_cache *cache)
{
	_cleanup_close_ int raw = open_raw(AF_INET);

	if (raw < 0)
		return -errno;
	return setns(cache->home, CLONE_NEWNET) ? -errno : 0;
}

int client_netns_cache_new(struct client_netns_cache **ret)
{
	_cleanup_(cleanup_cache) struct client_netns_cache *cache = calloc(1, sizeof(*cache));
	int err;

	if (!cache)
		return -ENOMEM;
	cache->home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	err = cache->home < 0 ? -errno : hashmap_new(&cache->by_addr);
	if (!err)
		err = check_rights(cache);
	if (err)
		return err;
	*ret = TAKE_PTR(cache);
	return 0;
}

void client_netns_cache_free(struct client_netns_cache *cache)
{
	if (!cache)
		return;
	vec_foreach(&cache->list, netns)
		free_netns(*netns);
	vec_done(&cache->list);
	hashmap_free(cache->by_addr);
	cleanup_close(&cache->home);
	free(cache);
}

static struct client_netns *known(const struct client_netns_cache *cache, const struct netns *id)
{
	vec_foreach(&cache->list, netns) {
		if ((*netns)->id.inode == id->inode && (*netns)->id.device == id->device)
			return *netns;
	}
	return NULL;
}

static int take(struct client_netns *netns, const struct sock_name *socket, uint64_t now,
		struct client_netns **ret)
{
	netns->used = now;
	netns->references++;
	/* Without memory the next one is looked for again. */
	(void)hashmap_put(netns->cache->by_addr, &socket->local, sizeof(socket->local), netns);
	*ret = netns;
	return 0;
}

/* Looks whether the socket is in a namespace that is not known yet. Returns 1, 0 or -errno. */
static int look_into(struct client_netns_cache *cache, struct netns *id,
		     const struct sock_name *socket, struct client_netns **ret)
{
	_cleanup_(cleanup_netns) struct client_netns *netns = NULL;
	int r = open_netns(cache, id, &netns);

	if (!r)
		r = sock_exists(netns->diag, socket);
	if (r > 0 && vec_push(&cache->list, netns))
		r = -ENOMEM;
	if (r > 0)
		*ret = TAKE_PTR(netns);
	return r;
}

static int look_through(struct client_netns_cache *cache, const struct sock_name *socket,
			struct client_netns **ret)
{
	struct netns_list list = {};
	int r = netns_list_read(&list, "/proc");

	vec_foreach(&list, id) {
		struct client_netns *netns = known(cache, id);

		if (r)
			break;
		if (!netns) {
			r = look_into(cache, id, socket, ret);
		} else if (sock_exists(netns->diag, socket) > 0) {
			*ret = netns;
			r = 1;
		}
		if (r == -EPERM)
			r = 0; /* of a user namespace that is not ours to enter */
	}
	netns_list_done(&list);
	return r > 0 ? 0 : r ? r : -ENOENT;
}

int client_netns_find(struct client_netns_cache *cache, const struct sock_name *socket,
		      uint64_t now, struct client_netns **ret)
{
	struct client_netns *netns =
		hashmap_get(cache->by_addr, &socket->local, sizeof(socket->local));
	int err;

	if (netns && sock_exists(netns->diag, socket) > 0)
		return take(netns, socket, now, ret);
	netns = NULL;
	err = look_through(cache, socket, &netns);
	return netns ? take(netns, socket, now, ret) : err;
}

void client_netns_unref(struct client_netns *netns)
{
	if (netns)
		netns->references--;
}

static void forget_guesses(struct client_netns_cache *cache, const struct client_netns *netns)
{
	hashmap_foreach(cache->by_addr, iter) {
		if (iter.value == netns)
			hashmap_remove(cache->by_addr, iter.key, iter.key_size);
	}
}

void client_netns_expire(struct client_netns_cache *cache, uint64_t now)
{
	size_t left = 0;

	vec_foreach(&cache->list, item) {
		struct client_netns *netns = *item;

		if (netns->references || now < netns->used + KEEP) {
			cache->list.items[left++] = netns;
			continue;
		}
		forget_guesses(cache, netns);
		free_netns(netns);
	}
	cache->list.len = left;
}

int client_netns_send(const struct client_netns *netns, const struct addr *target,
		      const void *packet, size_t size)
{
	struct sockaddr_storage address;
	socklen_t len = addr_to_sockaddr(target, 0, &address);
	int fd = addr_is_v4(target) ? netns->raw4 : netns->raw6;

	if (fd < 0)
		return -EAFNOSUPPORT;
	return sendto(fd, packet, size, 0, (struct sockaddr *)&address, len) < 0 ? -errno : 0;
}

int client_netns_socket(const struct client_netns *netns, int family)
{
	int fd, err;

	if (setns(netns->id.fd, CLONE_NEWNET))
		return -errno;
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = fd < 0 ? -errno : 0;
	go_home(netns->cache);
	return err ? err : fd;
}

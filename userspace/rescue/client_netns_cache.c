/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/client_netns_cache.h"

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/hashmap.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WALK_INTERVAL (2 * NSEC_PER_SEC)

enum { SLICE = 256 }; /* processes at a time */

/* In a second. Each look into all namespaces takes some microseconds for each, a walk that for a process. */
enum { LOOKS_EACH = 20, LOOKS_ALL = 200, WALKS_EACH = 1, WALKS_ALL = 8 };

enum { SEEKERS = 256 };

/* What was spent in a second. */
struct spent {
	uint64_t second;
	unsigned int looks;
	unsigned int walks;
};

struct seeker {
	struct addr addr;
	struct spent spent;
};

struct client_netns_cache {
	int home;
	VEC(struct client_netns *) list;
	struct hashmap *by_addr; /* address of a client → struct client_netns, a guess */
	struct netns_walk walk;
	uint64_t walks; /* how many have begun */
	uint64_t next;  /* when the next one is due */
	size_t hidden;
	struct spent spent;
	struct seeker seekers[SEEKERS]; /* by their address's hash: who comes last has the place */
};

static void cleanup_cache(struct client_netns_cache **cache)
{
	client_netns_cache_free(*cache);
}

/* Tries out at once what will be needed. */
static int check_rights(const struct client_netns_cache *cache)
{
	_cleanup_close_ int raw =
		socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);

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
	cache->walk.proc = "/proc";
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
	netns_walk_stop(&cache->walk);
	vec_foreach(&cache->list, netns)
		client_netns_free(*netns);
	vec_done(&cache->list);
	hashmap_free(cache->by_addr);
	cleanup_close(&cache->home);
	free(cache);
}

/* From the end: processes of one pod mostly follow each other. */
static struct client_netns *known(const struct client_netns_cache *cache, const struct netns *id)
{
	for (size_t i = cache->list.len; i-- > 0;) {
		struct client_netns *netns = cache->list.items[i];

		if (netns->id.inode == id->inode && netns->id.device == id->device)
			return netns;
	}
	return NULL;
}

/* Without memory that is looked for elsewhere. */
static void guess(struct client_netns_cache *cache, const struct addr *addr,
		  struct client_netns *netns)
{
	(void)hashmap_put(cache->by_addr, addr, sizeof(*addr), netns);
}

static bool to_addr(const struct sockaddr *address, struct addr *ret)
{
	*ret = (struct addr){.bytes = {[10] = 0xff, [11] = 0xff}};
	if (address && address->sa_family == AF_INET) {
		memcpy(ret->bytes + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
		return true;
	}
	if (!address || address->sa_family != AF_INET6)
		return false;
	memcpy(ret->bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
	return true;
}

/* Those that no other namespace has: not loopback and the like. */
static void learn(struct client_netns_cache *cache, struct client_netns *netns,
		  const struct ifaddrs *addresses)
{
	struct addr addr;

	for (; addresses; addresses = addresses->ifa_next) {
		if (to_addr(addresses->ifa_addr, &addr) && !addr_unusable(&addr))
			guess(cache, &addr, netns);
	}
}

static int add(struct client_netns_cache *cache, struct netns *id)
{
	struct ifaddrs *addresses = NULL;
	struct client_netns *netns;
	int err = client_netns_open(id, cache->home, &netns, &addresses);

	if (err)
		return err;
	netns->walk = cache->walks;
	err = vec_push(&cache->list, netns);
	if (err)
		client_netns_free(netns);
	else
		learn(cache, netns, addresses);
	if (addresses)
		freeifaddrs(addresses);
	return err;
}

/* Whether it can not be seen for a reason that the next one meets, too. */
static bool is_hopeless(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

static int see(struct client_netns_cache *cache, struct netns *id)
{
	struct client_netns *netns = known(cache, id);
	int err;

	if (!netns) {
		/* The process may be gone, or elsewhere. */
		err = netns_walk_open(&cache->walk, id);
		netns = err ? NULL : known(cache, id);
		if (!err && !netns)
			err = add(cache, id);
		if (id->fd >= 0)
			close(id->fd);
		if (is_hopeless(err))
			return err;
	}
	if (netns)
		netns->walk = cache->walks;
	return 0;
}

static void forget_guesses(struct client_netns_cache *cache, const struct client_netns *netns)
{
	hashmap_foreach(cache->by_addr, iter) {
		if (iter.value == netns)
			hashmap_remove(cache->by_addr, iter.key, iter.key_size);
	}
}

static void close_unseen(struct client_netns_cache *cache)
{
	size_t left = 0;

	vec_foreach(&cache->list, item) {
		struct client_netns *netns = *item;

		if (netns->references || netns->walk == cache->walks) {
			cache->list.items[left++] = netns;
			continue;
		}
		forget_guesses(cache, netns);
		client_netns_free(netns);
	}
	cache->list.len = left;
}

/* Returns whether the walk is over. */
static bool walk_on(struct client_netns_cache *cache, size_t most, uint64_t now)
{
	struct netns id;
	int r = 1;

	if (!cache->walk.directory) {
		cache->walks++;
		cache->next = now + WALK_INTERVAL;
	}
	while (most-- && (r = netns_walk_next(&cache->walk, &id)) > 0) {
		r = see(cache, &id);
		if (r < 0)
			break;
		r = 1;
	}
	if (r > 0)
		return false;
	cache->hidden = cache->walk.hidden;
	netns_walk_stop(&cache->walk);
	/* Who was not met because it ended early may be there all the same. */
	if (!r)
		close_unseen(cache);
	return true;
}

bool client_netns_cache_walk(struct client_netns_cache *cache, uint64_t now)
{
	return (cache->walk.directory || now >= cache->next) && walk_on(cache, SLICE, now);
}

size_t client_netns_cache_hidden(const struct client_netns_cache *cache)
{
	return cache->hidden;
}

static void renew(struct spent *spent, uint64_t now)
{
	if (spent->second != now / NSEC_PER_SEC)
		*spent = (struct spent){.second = now / NSEC_PER_SEC};
}

static struct spent *spent_by(struct client_netns_cache *cache, const struct addr *addr)
{
	uint32_t hash = 2166136261U;
	struct seeker *seeker;

	for (size_t i = 0; i < sizeof(addr->bytes); i++)
		hash = (hash ^ addr->bytes[i]) * 16777619U;
	seeker = &cache->seekers[hash % SEEKERS];
	if (!addr_equal(&seeker->addr, addr))
		*seeker = (struct seeker){.addr = *addr};
	return &seeker->spent;
}

static bool may_look(struct client_netns_cache *cache, struct spent *own)
{
	if (own->looks >= LOOKS_EACH || cache->spent.looks >= LOOKS_ALL)
		return false;
	own->looks++;
	cache->spent.looks++;
	return true;
}

static bool may_walk(struct client_netns_cache *cache, struct spent *own)
{
	if (own->walks >= WALKS_EACH || cache->spent.walks >= WALKS_ALL)
		return false;
	own->walks++;
	cache->spent.walks++;
	return true;
}

static struct client_netns *look_through(const struct client_netns_cache *cache,
					 const struct sock_name *socket)
{
	vec_foreach(&cache->list, netns) {
		if (client_netns_has(*netns, socket))
			return *netns;
	}
	return NULL;
}

/* It may be in a namespace that is new. */
static struct client_netns *search(struct client_netns_cache *cache, const struct sock_name *socket,
				   uint64_t now)
{
	struct spent *own = spent_by(cache, &socket->local);
	struct client_netns *netns;

	renew(own, now);
	renew(&cache->spent, now);
	if (!may_look(cache, own))
		return NULL;
	netns = look_through(cache, socket);
	if (netns || !may_walk(cache, own))
		return netns;
	netns_walk_stop(&cache->walk);
	walk_on(cache, SIZE_MAX, now);
	return look_through(cache, socket);
}

int client_netns_find(struct client_netns_cache *cache, const struct sock_name *socket,
		      uint64_t now, struct client_netns **ret)
{
	struct client_netns *netns =
		hashmap_get(cache->by_addr, &socket->local, sizeof(socket->local));
	int err;

	if (!netns || !client_netns_has(netns, socket)) {
		netns = search(cache, socket, now);
		if (!netns)
			return -ENOENT;
		guess(cache, &socket->local, netns);
	}
	err = client_netns_ref(netns);
	if (!err)
		*ret = netns;
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/client_netns.h"

#include "base/cleanup.h"
#include "conns/sock_diag.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Without its own namespace the worker would be lost: it never is left in another one. */
static void go_home(const struct client_netns *netns)
{
	while (setns(netns->home, CLONE_NEWNET) && errno == EINTR)
		;
}

static int go_there(const struct client_netns *netns)
{
	return setns(netns->id.fd, CLONE_NEWNET) ? -errno : 0;
}

void client_netns_free(struct client_netns *netns)
{
	if (!netns)
		return;
	cleanup_close(&netns->id.fd);
	cleanup_close(&netns->diag);
	cleanup_close(&netns->raw4);
	cleanup_close(&netns->raw6);
	free(netns);
}

static void cleanup_netns(struct client_netns **netns)
{
	client_netns_free(*netns);
}

/* What it can do without: its addresses. */
static int look_around(struct client_netns *netns, struct ifaddrs **ret_addresses)
{
	int err = go_there(netns);

	if (err)
		return err;
	err = sock_diag_open(&netns->diag);
	if (!err && getifaddrs(ret_addresses))
		*ret_addresses = NULL;
	go_home(netns);
	return err;
}

int client_netns_open(struct netns *id, int home, struct client_netns **ret,
		      struct ifaddrs **ret_addresses)
{
	_cleanup_(cleanup_netns) struct client_netns *netns = calloc(1, sizeof(*netns));
	struct ifaddrs *addresses = NULL;
	int err;

	if (!netns)
		return -ENOMEM;
	*netns = (struct client_netns){.id = *id, .home = home, .diag = -1, .raw4 = -1, .raw6 = -1};
	id->fd = -1;
	err = look_around(netns, &addresses);
	/* EPERM: of a user namespace that is not ours to enter. */
	if (err && err != -EPERM)
		return err;
	*ret = TAKE_PTR(netns);
	*ret_addresses = addresses;
	return 0;
}

bool client_netns_has(const struct client_netns *netns, const struct sock_name *socket)
{
	return netns->diag >= 0 && sock_exists(netns->diag, socket) > 0;
}

static int open_raw(int family)
{
	return socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
}

static int open_sockets(struct client_netns *netns)
{
	int err = go_there(netns), on = 1;

	if (err)
		return err;
	netns->raw4 = open_raw(AF_INET);
	if (netns->raw4 < 0)
		err = -errno;
	netns->raw6 = open_raw(AF_INET6);
	go_home(netns);
	if (!err && netns->raw6 >= 0 &&
	    setsockopt(netns->raw6, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof(on)))
		err = -errno;
	if (!err)
		return 0;
	cleanup_close(&netns->raw4);
	cleanup_close(&netns->raw6);
	netns->raw4 = netns->raw6 = -1;
	return err;
}

int client_netns_ref(struct client_netns *netns)
{
	int err = netns->raw4 < 0 ? open_sockets(netns) : 0;

	if (!err)
		netns->references++;
	return err;
}

void client_netns_unref(struct client_netns *netns)
{
	if (netns)
		netns->references--;
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
	int fd, err = go_there(netns);

	if (err)
		return err;
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = fd < 0 ? -errno : 0;
	go_home(netns);
	return err ? err : fd;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message of rtnetlink only says that something has changed: all addresses are read again. So
 * messages that were lost (ENOBUFS) do no harm.
 */
#include "net/local_addrs.h"

#include "base/cleanup.h"
#include "base/container_of.h"
#include "loop/loop.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct local_addrs {
	struct addr_list list;
	struct loop_io io;
	void (*fn)(void *arg);
	void *arg;
};

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct addr));
}

/* False if it is of another family. */
static bool addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret)
{
	const struct sockaddr_in6 *sa6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *sa4 = (const struct sockaddr_in *)sa;

	if (sa && sa->sa_family == AF_INET) {
		*ret = (struct addr){{[10] = 0xff, [11] = 0xff}};
		memcpy(ret->bytes + 12, &sa4->sin_addr, sizeof(sa4->sin_addr));
		return true;
	}
	if (sa && sa->sa_family == AF_INET6) {
		memcpy(ret->bytes, &sa6->sin6_addr, sizeof(ret->bytes));
		return true;
	}
	return false;
}

static void sort_unique(struct addr_list *list)
{
	size_t kept = 0;

	if (!list->len)
		return;
	qsort(list->items, list->len, sizeof(*list->items), compare_addrs);
	for (size_t i = 1; i < list->len; i++) {
		if (compare_addrs(&list->items[kept], &list->items[i]))
			list->items[++kept] = list->items[i];
	}
	list->len = kept + 1;
}

static int read_addrs(struct addr_list *ret)
{
	struct addr_list list = {};
	struct ifaddrs *all;
	struct addr addr;
	int err = 0;

	if (getifaddrs(&all))
		return -errno;
	for (const struct ifaddrs *one = all; one && !err; one = one->ifa_next) {
		if (addr_from_sockaddr(one->ifa_addr, &addr) && !addr_unusable(&addr))
			err = vec_push(&list, addr);
	}
	freeifaddrs(all);
	if (err) {
		vec_done(&list);
		return err;
	}
	sort_unique(&list);
	*ret = list;
	return 0;
}

static bool is_same(const struct addr_list *a, const struct addr_list *b)
{
	return a->len == b->len &&
	       (!a->len || !memcmp(a->items, b->items, a->len * sizeof(*a->items)));
}

static void drain(int fd)
{
	char buf[8192];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0 || errno == ENOBUFS || errno == EINTR)
		errno = 0;
}

/* What can not be read now stays as it was, until the next change. */
static void on_message(struct loop_io *io, uint32_t events)
{
	struct local_addrs *addrs = container_of(io, struct local_addrs, io);
	struct addr_list list;

	(void)events;
	drain(io->fd);
	if (read_addrs(&list))
		return;
	if (is_same(&list, &addrs->list)) {
		vec_done(&list);
		return;
	}
	vec_done(&addrs->list);
	addrs->list = list;
	addrs->fn(addrs->arg);
}

static int open_socket(void)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK,
				 .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
	_cleanup_close_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return -errno;
	return TAKE_FD(fd);
}

static void cleanup_addrs(struct local_addrs **addrs)
{
	local_addrs_free(*addrs);
}

int local_addrs_new(struct loop *loop, void (*fn)(void *arg), void *arg, struct local_addrs **ret)
{
	_cleanup_(cleanup_addrs) struct local_addrs *addrs = calloc(1, sizeof(*addrs));
	int err;

	if (!addrs)
		return -ENOMEM;
	addrs->fn = fn;
	addrs->arg = arg;
	addrs->io.fn = on_message;
	addrs->io.fd = open_socket();
	if (addrs->io.fd < 0)
		return addrs->io.fd;
	/* Only now, so that no change is missed in between. */
	err = read_addrs(&addrs->list);
	if (!err)
		err = loop_io_add(loop, &addrs->io, EPOLLIN);
	if (err)
		return err;
	*ret = TAKE_PTR(addrs);
	return 0;
}

void local_addrs_free(struct local_addrs *addrs)
{
	if (!addrs)
		return;
	loop_io_del(&addrs->io);
	if (addrs->io.fd >= 0)
		close(addrs->io.fd);
	vec_done(&addrs->list);
	free(addrs);
}

const struct addr_list *local_addrs_get(const struct local_addrs *addrs)
{
	return &addrs->list;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage of sockets that sock_diag does not tell: it is read from a duplicate of the owner's
 * descriptor (pidfd_getfd()), which is found in /proc.
 */
#pragma once

#include "conns/sock_diag.h"

struct sw_socket;

/* Reads what sw_sockets has for an open socket. Returns 0, -ENOENT, -errno. */
typedef int socket_storage_fn(void *arg, int fd, struct sw_socket *ret);

struct socket_owner_walk {
	const struct sock_diag_query *query;
	socket_storage_fn *storage;
	void *storage_arg;
	/*
	 * Called for each socket that turns out to be a target's, with its storage and a duplicate
	 * of its descriptor. Returns whether the socket is to stay in the list.
	 */
	bool (*found)(const struct socket_owner_walk *walk, const struct sock_diag_socket *socket,
		      int fd, const struct sw_socket *storage);
	const void *arg; /* for found */
};

/*
 * Finds the targets of the sockets, and removes from the list those that turn out to be others',
 * those whose owner is not found, and those that `found` is done with. Looks through all
 * descriptors of all processes, so it takes some 10 ms. Returns 0 or -errno.
 */
int socket_owner_match(const struct socket_owner_walk *walk, struct sock_diag_sockets *sockets);

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

/*
 * Finds the target of those sockets that have none, and removes from the list those that turn out
 * to be others', or whose owner is not found. Looks through all descriptors of all processes, so it
 * takes some 10 ms. Returns 0 or -errno.
 */
int socket_owner_match(const struct sock_diag_query *query, struct sock_diag_sockets *sockets,
		       socket_storage_fn *storage, void *arg);

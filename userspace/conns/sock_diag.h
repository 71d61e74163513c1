/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding and closing sockets with netlink's sock_diag. Encoding and parsing are pure, the rest is
 * a system call or two. Everything applies to one network namespace: the one in which the netlink
 * socket was opened.
 *
 * A TCP socket is found only if its storage in sw_sockets says that it was sent to the target, by
 * the target's service, and if that is still its peer. So a socket that was connected to the pod's
 * own address, like those of our probes, is never found. For UDP the kernel tells no storage: all
 * sockets with that peer are found, without a target, and sock_diag_match() is left to the caller.
 */
#pragma once

#include "base/addr.h"
#include "base/vec.h"

#include <linux/inet_diag.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sw_socket;

struct sock_diag_target {
	struct addr addr;
	uint16_t port;    /* host order */
	uint32_t service; /* index into sw_services */
	uint32_t flags;   /* of enum sw_socket_flag: what its storage must have; 0: nothing */
};

/* What one request can ask for; its bytecode has a length of 16 bits. */
enum { SOCK_DIAG_MAX_TARGETS = 64 };

struct sock_diag_query {
	uint8_t family; /* AF_INET, or AF_INET6, which has the IPv4-mapped ones, too */
	uint8_t proto;  /* IPPROTO_TCP or IPPROTO_UDP */
	int sockets_fd; /* of the map sw_sockets */
	const struct sock_diag_target *targets;
	size_t count; /* 1 to SOCK_DIAG_MAX_TARGETS */
};

struct sock_diag_socket {
	struct inet_diag_sockid id; /* has the cookie: no other socket is ever meant */
	uint8_t family;
	uint8_t proto;
	uint16_t target; /* index into the query's, or SOCK_DIAG_NO_TARGET */
	uint32_t inode;
	bool ended; /* by the peer: the application is about to learn, and will not use it again */
};

enum { SOCK_DIAG_NO_TARGET = UINT16_MAX };

struct sock_diag_sockets {
	struct sock_diag_socket *items;
	size_t len;
	size_t cap;
};

enum {
	SOCK_DIAG_QUERY_SIZE = 128 + 32 * SOCK_DIAG_MAX_TARGETS,
	SOCK_DIAG_DESTROY_SIZE = 72,
};

/*
 * Encodes the request for a dump of the sockets whose peer is one of the targets. Returns its size,
 * or 0 if no socket of that family can have such a peer.
 */
size_t sock_diag_encode_query(const struct sock_diag_query *query,
			      uint8_t ret[static SOCK_DIAG_QUERY_SIZE]);

void sock_diag_encode_destroy(const struct sock_diag_socket *socket, uint32_t seq,
			      uint8_t ret[static SOCK_DIAG_DESTROY_SIZE]);

/*
 * Parses what one recv() brought of the answer, and appends the sockets that match. Returns 1 if
 * more is to come, 0 at the end, -EBADMSG for what is no answer, -ENOMEM, -errno of the kernel.
 */
int sock_diag_parse(const struct sock_diag_query *query, const void *data, size_t size,
		    struct sock_diag_sockets *ret);

/* Whether the storage and the peer of a socket fit a target; if so, sets socket->target. */
bool sock_diag_match(const struct sock_diag_query *query, struct sock_diag_socket *socket,
		     const struct sw_socket *storage);

/*
 * Parses the errors of destroy requests. A socket that is gone or has become another one (-ENOENT,
 * -ESTALE) is not an error. Counts all refused requests in *refused; returns 0 or the first errno,
 * negative.
 */
int sock_diag_parse_errors(const void *data, size_t size, size_t *refused);

/* Opens a netlink socket in the calling thread's network namespace. Returns 0 or -errno. */
int sock_diag_open(int *ret_fd);

/* Appends the sockets that the query finds. Returns 0 or -errno. */
int sock_diag_find(int fd, const struct sock_diag_query *query, struct sock_diag_sockets *ret);

/*
 * Closes sockets: their owners get ECONNABORTED, and the peer a RST. Adds to *closed how many.
 * Returns 0, or -errno if any failed for another reason than being gone.
 */
int sock_diag_destroy(int fd, const struct sock_diag_socket *sockets, size_t count, size_t *closed);

/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a certain TCP socket is in a network namespace: the kernel looks it up, nothing is walked. */
#pragma once

#include "base/addr.h"

#include <stdint.h>

struct sock_name {
	struct addr local;
	struct addr peer;
	uint16_t local_port; /* host order */
	uint16_t peer_port;  /* host order */
	uint64_t cookie;     /* SO_COOKIE */
};

/*
 * `fd` is of sock_diag_open(), and decides the namespace. Returns 1 if that very socket is there, 0
 * if not, or -errno. A socket that is bound to a device is not found.
 */
int sock_exists(int fd, const struct sock_name *name);

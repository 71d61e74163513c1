/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of the network namespace that this process is in, kept up to date by rtnetlink. */
#pragma once

#include "base/addr.h"
#include "base/vec.h"

struct loop;
struct local_addrs; /* opaque */

struct addr_list {
	struct addr *items;
	size_t len;
	size_t cap;
};

/*
 * Reads the addresses; from then on calls `fn` after they have changed. Loopback, link-local and
 * multicast addresses are left out. Returns 0, -ENOMEM or -errno.
 */
int local_addrs_new(struct loop *loop, void (*fn)(void *arg), void *arg, struct local_addrs **ret);
void local_addrs_free(struct local_addrs *addrs);

/* Ordered, each once. Borrowed until the loop runs on. */
const struct addr_list *local_addrs_get(const struct local_addrs *addrs);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the port that clients connect to lets a connection of this node in, whatever port and protocol are
 * probed: one TCP connection tells whether clients that are not let in are held back by a firewall of theirs.
 */
#pragma once

#include "base/addr.h"

#include <stdint.h>

struct health_admission; /* opaque */
struct loop;

/* Connects, for `timeout` ns at most. Borrows the loop. Returns 0 or -errno. */
int health_admission_begin(struct loop *loop, const struct addr *addr, uint16_t port,
			   uint64_t timeout, struct health_admission **ret);

/* Ends what is under way. NULL is allowed. */
void health_admission_free(struct health_admission *admission);

/* 1: it was let in; 0: it was not; -EAGAIN: that is not known yet. */
int health_admission_result(const struct health_admission *admission);

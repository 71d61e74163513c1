/* SPDX-License-Identifier: Apache-2.0 */
/* What BPF programs tell userspace: the ring buffer sw_events. */
#pragma once

#include "swerve_abi.h"

struct dp_events; /* opaque */

typedef void dp_event_fn(void *arg, const struct sw_event *event);

/* Opens the pinned buffer. Returns 0 or -errno. */
int dp_events_open(const char *pin_dir, dp_event_fn *fn, void *arg, struct dp_events **ret);

/* NULL is allowed. */
void dp_events_close(struct dp_events *events);

/* Readable while there are events. Borrowed. */
int dp_events_fd(const struct dp_events *events);

/* Calls the function for each event. Never waits. Returns 0 or -errno. */
int dp_events_read(struct dp_events *events);

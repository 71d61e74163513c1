/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often connections may be looked for. A walk costs as much for one backend as for many, about a
 * millisecond for each network namespace and address family. It takes a fifth of a core, and now and
 * then 50 ms at once: all that keep-alive clients of a pod that was just ejected send until their
 * connections are closed fails. Pure.
 */
#pragma once

#include "base/duration.h"

#include <stdint.h>

#define CLOSE_PACE_PAUSE (5 * NSEC_PER_MSEC) /* at least, for jobs to come together */

struct close_pace {
	uint64_t used_up; /* private: until then it has had its share */
};

/* After a walk from `began` to `ended`: returns when the next one may begin. Times are ns. */
uint64_t close_pace_next(struct close_pace *pace, uint64_t began, uint64_t ended);

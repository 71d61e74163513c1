/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend that goes down and comes back again and again is kept out for a while, longer each time:
 * each change costs its clients something. Pure: times are nanoseconds of one clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: it has never changed. */
struct health_damping {
	uint64_t until; /* it is held down until then; 0: never was */
	/* private */
	uint64_t changes[2]; /* when it changed last, and before */
	uint8_t holds;       /* so far; one less for each 10 s without a change */
};

/*
 * It goes down, or has come back. The third change within 10 s, if it goes down, begins a hold: 1 s, and
 * twice as long each time, up to a minute.
 */
void health_damping_note(struct health_damping *damping, bool down, uint64_t now);

/* Whether it is to be held down. */
static inline bool health_damping_holds(const struct health_damping *damping, uint64_t now)
{
	return now < damping->until;
}

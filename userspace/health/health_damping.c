/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_damping.h"

#include "base/duration.h"

#define WINDOW   (10 * NSEC_PER_SEC)
#define HOLD_MIN (1 * NSEC_PER_SEC)
#define HOLD_MAX (60 * NSEC_PER_SEC)

enum { HOLDS_MAX = 6 }; /* 2^6 s is more than a minute */

static void forgive(struct health_damping *damping, uint64_t now)
{
	uint64_t quiet = (now - damping->changes[0]) / WINDOW;

	damping->holds = quiet < damping->holds ? (uint8_t)(damping->holds - quiet) : 0;
}

static uint64_t hold_of(uint8_t holds)
{
	uint64_t hold = HOLD_MIN << holds;

	return hold < HOLD_MAX ? hold : HOLD_MAX;
}

void health_damping_note(struct health_damping *damping, bool down, uint64_t now)
{
	uint64_t third = damping->changes[1];

	if (damping->changes[0])
		forgive(damping, now);
	if (down && ((third && now - third < WINDOW) || damping->holds)) {
		damping->until = now + hold_of(damping->holds);
		damping->holds += damping->holds < HOLDS_MAX;
	}
	damping->changes[1] = damping->changes[0];
	damping->changes[0] = now;
}

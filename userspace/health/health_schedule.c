/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_schedule.h"

#include "base/duration.h"

#define FAST_MAX   (20 * NSEC_PER_MSEC)
#define SLOW_FIRST (250 * NSEC_PER_MSEC)

/*
 * Who is down is asked once a second at least (unless the user wants it less often when it is up):
 * how soon a repaired backend is back depends on it, and one probe a second costs nothing.
 */
#define SLOW_MAX (1 * NSEC_PER_SEC)

/* A loop that has work to do is late by this much without being ill. */
#define LATE_MIN (10 * NSEC_PER_MSEC)

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t with_jitter(uint64_t delay, uint64_t random)
{
	return delay - delay / 10 + random % (delay / 5 + 1);
}

static uint64_t slow_delay(const struct probe_spec *spec, unsigned int slow)
{
	uint64_t delay = SLOW_FIRST;

	while (slow-- && delay < SLOW_MAX)
		delay *= 2;
	return max_u64(spec->interval, min_u64(delay, SLOW_MAX));
}

uint64_t health_schedule_first(const struct probe_spec *spec, uint64_t now, uint64_t random)
{
	return now + (spec->interval ? random % spec->interval : 0);
}

uint64_t health_schedule_next(const struct probe_spec *spec, enum health_next next,
			      unsigned int slow, uint64_t started, uint64_t now, uint64_t random)
{
	uint64_t delay = spec->interval;

	switch (next) {
	case NEXT_NOW:
		return now;
	case NEXT_FAST:
		delay = min_u64(spec->interval, FAST_MAX);
		break;
	case NEXT_SLOW:
		delay = slow_delay(spec, slow);
		break;
	case NEXT_INTERVAL:
	case NEXT_UNSET:
		break;
	}
	return max_u64(now, started + with_jitter(delay, random));
}

bool health_schedule_late(const struct probe_spec *spec, uint64_t started, uint64_t now)
{
	return now > started + spec->timeout + max_u64(spec->timeout / 4, LATE_MIN);
}

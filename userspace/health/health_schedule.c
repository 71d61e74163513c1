/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_schedule.h"

#include "base/duration.h"

#define SLOW_FIRST (250 * NSEC_PER_MSEC)

/* What nobody uses costs a fixed amount, however large the cluster is. */
#define IDLE_MIN (10 * NSEC_PER_SEC)
#define IDLE_GAP (20 * NSEC_PER_MSEC)

/* When an application last had an answer is known to 10 ms. */
#define QUIET_MIN (20 * NSEC_PER_MSEC)

#define TICK_MAX  (8 * NSEC_PER_MSEC + 400 * NSEC_PER_USEC)

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

/*
 * Waking up costs more than a system call of a probe, so probes start on ticks, several at a time: a
 * power of two of nanoseconds, between a sixteenth and an eighth of the interval, so that the ticks
 * of all intervals fall together.
 */
static uint64_t tick_of(const struct health_pace *pace)
{
	uint64_t eighth = min_u64(pace->interval / 8, TICK_MAX);

	return eighth ? 1ULL << (63 - __builtin_clzll(eighth)) : 1;
}

static uint64_t next_tick(const struct health_pace *pace, uint64_t time)
{
	uint64_t tick = tick_of(pace);

	return (time + tick - 1) & ~(tick - 1);
}

static uint64_t on_tick(const struct health_pace *pace, uint64_t started, uint64_t delay,
			uint64_t random)
{
	uint64_t tick = tick_of(pace);

	return next_tick(pace, started + delay - delay / 10 + random % (delay / 5 - tick + 1));
}

static uint64_t slow_delay(const struct health_pace *pace, unsigned int slow)
{
	uint64_t delay = SLOW_FIRST;

	while (slow-- && delay < pace->slow)
		delay *= 2;
	return max_u64(pace->interval, min_u64(delay, pace->slow));
}

uint64_t health_schedule_first(uint64_t interval, uint64_t now, uint64_t random)
{
	return now + (interval ? random % interval : 0);
}

uint64_t health_schedule_next(const struct health_pace *pace, enum health_next next,
			      unsigned int slow, uint64_t started, uint64_t now, uint64_t random)
{
	uint64_t delay = pace->interval;

	switch (next) {
	case NEXT_NOW:
		return now;
	case NEXT_FAST:
		delay = min_u64(pace->interval, pace->fast);
		return max_u64(now, started + with_jitter(delay, random));
	case NEXT_SLOW:
		delay = slow_delay(pace, slow);
		break;
	case NEXT_INTERVAL:
	case NEXT_UNSET:
		break;
	}
	return max_u64(now, on_tick(pace, started, delay, random));
}

uint64_t health_schedule_idle(const struct health_pace *pace, size_t idle, uint64_t started,
			      uint64_t now, uint64_t random)
{
	uint64_t delay = max_u64(pace->interval, max_u64(IDLE_MIN, idle * IDLE_GAP));

	return max_u64(now, on_tick(pace, started, delay, random));
}

uint64_t health_schedule_quiet(const struct health_pace *pace, uint64_t answered)
{
	uint64_t quiet = min_u64(pace->interval, max_u64(pace->interval / 5, QUIET_MIN));

	return next_tick(pace, answered + quiet);
}

bool health_schedule_late(uint64_t timeout, uint64_t started, uint64_t now)
{
	return now > started + timeout + max_u64(timeout / 4, LATE_MIN);
}

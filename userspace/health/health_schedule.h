/* SPDX-License-Identifier: Apache-2.0 */
/* When a backend is probed next. Pure: times are nanoseconds of one clock, chance is an argument. */
#pragma once

#include "health/health_fsm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far apart probes of one backend are, ns from start to start. */
struct health_pace {
	uint64_t interval; /* when all is well */
	uint64_t fast;     /* when a doubt is to be cleared, unless `interval` is shorter */
	uint64_t slow;     /* when it is down, at most, unless `interval` is longer */
};

/* The first probe: anywhere in [now, now + interval), so that a restart does not bunch probes. */
uint64_t health_schedule_first(uint64_t interval, uint64_t now, uint64_t random);

/*
 * The probe after one that began at `started`. `slow` counts the NEXT_SLOW in a row before this
 * one. Intervals run from start to start and have a jitter of 10 % either way, within which probes
 * are bunched a few at a time, unless they are to clear a doubt; never before `now`: a probe that took
 * longer than the interval is followed by the next one, there is no catching up.
 */
uint64_t health_schedule_next(const struct health_pace *pace, enum health_next next,
			      unsigned int slow, uint64_t started, uint64_t now, uint64_t random);

/*
 * The same for a backend that is not in demand, one of `idle` such: every 10 s, and more slowly when
 * there are so many that all of them would make more than 50 probes a second.
 */
uint64_t health_schedule_idle(const struct health_pace *pace, size_t idle, uint64_t started,
			      uint64_t now, uint64_t random);

/*
 * When it is to be probed if no application had an answer from it since `answered`, and its next probe
 * was due before that: after a fifth of the interval, so that silence in the middle of traffic is noticed
 * sooner than between probes.
 */
uint64_t health_schedule_quiet(const struct health_pace *pace, uint64_t answered);

/* Whether a time-out noticed at `now` says more about this process than about the backend. */
bool health_schedule_late(uint64_t timeout, uint64_t started, uint64_t now);

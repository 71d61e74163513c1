/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast one backend answers its probes, and what follows for the next ones. Pure: times are
 * nanoseconds.
 *
 * A backend that has always answered within 2 ms need not be given 500 ms before its silence means
 * something. And one that takes long to answer works for its probes: they must not keep it busy.
 *
 * It is *young* until 8 of its probes have succeeded, and *known* once 32 have.
 */
#pragma once

#include "model/probe_spec.h"

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: nothing is known. */
struct health_latency {
	/* private */
	uint64_t mean;       /* exponential, of the last few; 0: none yet */
	uint64_t largest[2]; /* of this window, in descending order */
	uint64_t before[2];  /* of the window before */
	uint8_t count;       /* in this window */
	uint8_t windows;     /* complete ones, at most 1 is counted */
};

/* Takes the latency of a probe that succeeded. */
void health_latency_add(struct health_latency *latency, uint64_t ns);

bool health_latency_is_young(const struct health_latency *latency);
bool health_latency_is_known(const struct health_latency *latency);

/*
 * How long the next probe waits for an answer: spec->timeout while the backend is young. If it is known to
 * be fast less than that: eight times the 98th percentile of the last 32 to 64, but not less than `floor`.
 * In between so few successes say less: twice the multiple, and `floor` half as long again. Never more or
 * less than spec->timeout if that was asked for.
 */
uint64_t health_latency_timeout(const struct health_latency *latency, const struct probe_spec *spec,
				uint64_t floor);

/*
 * The same for a probe that is to confirm the silence of the one before, which has been given all that
 * time: twice the percentile, not less than `floor`; with the same doubts of few successes.
 */
uint64_t health_latency_confirm(const struct health_latency *latency, const struct probe_spec *spec,
				uint64_t floor);

/*
 * How far apart its probes are when all is well: spec->interval, or, from the first success to the end of
 * youth, spec->fast if that is less. For what is more than a TCP handshake ten times the mean latency if
 * that is more, up to 10 s: so that probes make it busy for at most a tenth of the time.
 */
uint64_t health_latency_interval(const struct health_latency *latency,
				 const struct probe_spec *spec);

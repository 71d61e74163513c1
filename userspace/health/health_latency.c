/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The percentile is the second largest of two windows: one outlier, a moment when this node or the
 * pod had something else to do, does not make the backend a slow one.
 *
 * Of the first few answers it is not the 98th percentile, and the slow ones may be still to come: a pod
 * that just began pauses more often than later. So what follows from them is more careful.
 */
#include "health/health_latency.h"

#include "base/duration.h"

#include <stddef.h>

enum {
	YOUNG = 8,
	WINDOW = 32,
	MEAN_SHARE = 8,
	TIMEOUT_FACTOR = 8,
	CONFIRM_FACTOR = 2,
	BUSY_SHARE = 10
};

#define INTERVAL_MAX (10 * NSEC_PER_SEC)

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void insert(uint64_t largest[static 2], uint64_t ns)
{
	if (ns > largest[0]) {
		largest[1] = largest[0];
		largest[0] = ns;
	} else if (ns > largest[1]) {
		largest[1] = ns;
	}
}

static void begin_window(struct health_latency *latency)
{
	for (size_t i = 0; i < 2; i++) {
		latency->before[i] = latency->largest[i];
		latency->largest[i] = 0;
	}
	latency->count = 0;
	latency->windows = 1;
}

bool health_latency_is_young(const struct health_latency *latency)
{
	return !health_latency_is_known(latency) && latency->count < YOUNG;
}

bool health_latency_is_known(const struct health_latency *latency)
{
	return latency->windows;
}

void health_latency_add(struct health_latency *latency, uint64_t ns)
{
	uint64_t *mean = &latency->mean;

	*mean = *mean ? *mean - *mean / MEAN_SHARE + ns / MEAN_SHARE : ns;
	insert(latency->largest, ns);
	if (++latency->count == WINDOW)
		begin_window(latency);
}

/* The second largest of four numbers in two ordered pairs. */
static uint64_t percentile(const struct health_latency *latency)
{
	const uint64_t *a = latency->largest, *b = latency->before;

	return a[0] > b[0] ? max_u64(a[1], b[0]) : max_u64(a[0], b[1]);
}

static uint64_t timeout_of(const struct health_latency *latency, const struct probe_spec *spec,
			   uint64_t floor, unsigned int factor)
{
	uint64_t timeout;

	if (health_latency_is_young(latency) || probe_spec_has(spec, PROBE_FIELD_TIMEOUT))
		return spec->timeout;
	if (!health_latency_is_known(latency)) {
		factor *= 2;
		floor += floor / 2;
	}
	/* Whole milliseconds, for those who read of it. */
	timeout = percentile(latency) * factor / NSEC_PER_MSEC * NSEC_PER_MSEC;
	return min_u64(spec->timeout, max_u64(floor, timeout));
}

uint64_t health_latency_timeout(const struct health_latency *latency, const struct probe_spec *spec,
				uint64_t floor)
{
	return timeout_of(latency, spec, floor, TIMEOUT_FACTOR);
}

uint64_t health_latency_confirm(const struct health_latency *latency, const struct probe_spec *spec,
				uint64_t floor)
{
	return timeout_of(latency, spec, floor, CONFIRM_FACTOR);
}

uint64_t health_latency_interval(const struct health_latency *latency,
				 const struct probe_spec *spec)
{
	uint64_t busy = min_u64(latency->mean * BUSY_SHARE, INTERVAL_MAX);
	uint64_t interval = spec->interval;

	if (latency->count && health_latency_is_young(latency))
		interval = min_u64(interval, spec->fast);
	return spec->kind == PROBE_TCP ? interval : max_u64(interval, busy);
}

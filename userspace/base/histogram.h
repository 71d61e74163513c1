/* SPDX-License-Identifier: Apache-2.0 */
/* How long something took, counted in steps of 1, 2, 5 from 10 µs to 10 s. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_STEPS = 19 };

struct histogram {
	uint64_t counts[HISTOGRAM_STEPS + 1]; /* the last one: longer than all steps */
	uint64_t sum;                         /* ns */
};

/* The upper bound of a step, in ns; index below HISTOGRAM_STEPS. */
uint64_t histogram_bound(size_t step);

void histogram_add(struct histogram *histogram, uint64_t ns);

uint64_t histogram_count(const struct histogram *histogram);

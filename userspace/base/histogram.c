/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include "base/duration.h"

uint64_t histogram_bound(size_t step)
{
	static const uint64_t factors[] = {1, 2, 5};
	uint64_t bound = 10 * NSEC_PER_USEC * factors[step % 3];

	for (size_t i = 0; i < step / 3; i++)
		bound *= 10;
	return bound;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	size_t step = 0;

	while (step < HISTOGRAM_STEPS && ns > histogram_bound(step))
		step++;
	histogram->counts[step]++;
	histogram->sum += ns;
}

uint64_t histogram_count(const struct histogram *histogram)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= HISTOGRAM_STEPS; i++)
		count += histogram->counts[i];
	return count;
}

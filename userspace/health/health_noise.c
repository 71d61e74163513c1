/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_noise.h"

/* Weight of one probe in the mean. */
#define SHARE (1.0 / 64)

/* 110 backends at 10 Hz make a million probes in a quarter of an hour. */
#define CHANCE 1e-7

enum { FALL_MAX = 12, FAILURES_MAX = 32 };

void health_noise_fail(struct health_noise *noise)
{
	noise->share += (1 - noise->share) * SHARE;
}

void health_noise_add(struct health_noise *noise, unsigned int failures)
{
	for (unsigned int i = 0; i < failures && i < FAILURES_MAX; i++)
		health_noise_fail(noise);
	noise->share -= noise->share * SHARE;
}

uint8_t health_noise_fall(uint8_t fall, const struct health_noise *backend,
			  const struct health_noise *node)
{
	double share = backend->share > node->share ? backend->share : node->share;
	double chance = share;
	uint8_t needed = 1;

	while (chance > CHANCE && needed < FALL_MAX) {
		chance *= share;
		needed++;
	}
	return needed > fall ? needed : fall;
}

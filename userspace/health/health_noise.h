/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many time-outs in a row it takes until silence means something. Where packets get lost, probes
 * fail though the backend is well: at 5 % in each direction two of ten HTTP probes, and three in a row
 * many times a minute. So each doubt that proved unfounded makes the next one weigh less, and the
 * number is such that chance alone hardly ever reaches it. Pure.
 */
#pragma once

#include <stdint.h>

/* Of one backend, or of all of a node. Zeroed: silence has always meant something. */
struct health_noise {
	double share; /* of the probes that failed though all was well, recent mean */
};

/* A probe succeeded, after `failures` in a row that were ambiguous. */
void health_noise_add(struct health_noise *noise, unsigned int failures);

/* A probe failed ambiguously, and it is known already that all was well. */
void health_noise_fail(struct health_noise *noise);

/*
 * How many ambiguous failures in a row take a backend out: `fall`, or as many as happen by chance once
 * in ten million times in the noisier of the two, at most 12.
 */
uint8_t health_noise_fall(uint8_t fall, const struct health_noise *backend,
			  const struct health_noise *node);

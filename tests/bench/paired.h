/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paired measurements on a machine that is not quiet: in each round every variant is measured once,
 * in a random order, and only differences and ratios within a round are compared. Medians and
 * quartiles over the rounds; the first rounds warm up and do not count.
 */
#pragma once

#include <stddef.h>

enum { PAIRED_VARIANTS = 4, PAIRED_WARM_UP = 3 };

/* Measures a variant once; returns nanoseconds per operation. */
typedef double paired_fn(void *arg, size_t variant);

struct paired {
	size_t variants;
	size_t rounds;
	double *values; /* rounds × variants */
};

struct paired_stat {
	double low, median, high; /* the quartiles */
};

/* Runs the rounds. The caller ends with paired_done(). Exits the program without memory. */
void paired_run(struct paired *paired, size_t variants, size_t rounds, paired_fn *fn, void *arg);
void paired_done(struct paired *paired);

/* One variant by itself; its difference from another one; its ratio to another one. */
struct paired_stat paired_value(const struct paired *paired, size_t variant);
struct paired_stat paired_delta(const struct paired *paired, size_t variant, size_t base);
struct paired_stat paired_ratio(const struct paired *paired, size_t variant, size_t base);

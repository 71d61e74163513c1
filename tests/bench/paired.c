/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/paired.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned int seed = 1;

static void shuffle(size_t *order, size_t n)
{
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = n; i > 1; i--) {
		size_t k = (size_t)rand_r(&seed) % i, other = order[k];

		order[k] = order[i - 1];
		order[i - 1] = other;
	}
}

void paired_run(struct paired *paired, size_t variants, size_t rounds, paired_fn *fn, void *arg)
{
	size_t order[PAIRED_VARIANTS];

	*paired = (struct paired){.variants = variants,
				  .rounds = rounds,
				  .values = calloc(variants * rounds, sizeof(double))};
	if (!paired->values) {
		perror("bench");
		exit(1);
	}
	for (size_t round = 0; round < rounds + PAIRED_WARM_UP; round++) {
		shuffle(order, variants);
		for (size_t i = 0; i < variants; i++) {
			double value = fn(arg, order[i]);

			if (round >= PAIRED_WARM_UP)
				paired->values[(round - PAIRED_WARM_UP) * variants + order[i]] =
					value;
		}
	}
}

void paired_done(struct paired *paired)
{
	free(paired->values);
	*paired = (struct paired){};
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* What to make of a round's value and its base. */
typedef double combine_fn(double value, double base);

static double itself(double value, double base)
{
	(void)base;
	return value;
}

static double difference(double value, double base)
{
	return value - base;
}

static double ratio(double value, double base)
{
	return value / base;
}

static struct paired_stat stat(const struct paired *paired, size_t variant, size_t base,
			       combine_fn *combine)
{
	double *sorted = calloc(paired->rounds, sizeof(double));
	struct paired_stat result;

	if (!sorted) {
		perror("bench");
		exit(1);
	}
	for (size_t i = 0; i < paired->rounds; i++) {
		const double *row = &paired->values[i * paired->variants];

		sorted[i] = combine(row[variant], row[base]);
	}
	qsort(sorted, paired->rounds, sizeof(double), compare);
	result = (struct paired_stat){.low = sorted[paired->rounds / 4],
				      .median = sorted[paired->rounds / 2],
				      .high = sorted[paired->rounds * 3 / 4]};
	free(sorted);
	return result;
}

struct paired_stat paired_value(const struct paired *paired, size_t variant)
{
	return stat(paired, variant, variant, itself);
}

struct paired_stat paired_delta(const struct paired *paired, size_t variant, size_t base)
{
	return stat(paired, variant, base, difference);
}

struct paired_stat paired_ratio(const struct paired *paired, size_t variant, size_t base)
{
	return stat(paired, variant, base, ratio);
}

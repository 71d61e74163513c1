/* SPDX-License-Identifier: Apache-2.0 */
/* Why the datapath can not be set up: one sentence for people that says what to do about it. */
#pragma once

struct dp_problem {
	char text[512];
};

/* Writes the sentence and returns err, so that `return dp_problem(…)` is one statement. */
int dp_problem(struct dp_problem *problem, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

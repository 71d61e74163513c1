/* SPDX-License-Identifier: Apache-2.0 */
/* Text in aligned columns, as kubectl prints it. */
#pragma once

#include "base/vec.h"

#include <stdio.h>

struct ctl_table {
	size_t columns;
	VEC(char *) cells; /* owned, row by row */
	int error;         /* sticky: -ENOMEM once something did not fit */
};

/* Starts a table with these headers; NULL: without a row of them. */
void ctl_table_init(struct ctl_table *table, const char *const headers[], size_t columns);
void ctl_table_done(struct ctl_table *table);

/*
 * Appends the next cell, from left to right. Control characters become '?', an empty text "-".
 * Without memory, nothing happens but that ctl_table_print() says so.
 */
void ctl_table_cell(struct ctl_table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Prints all rows, each column as wide as its widest cell. Returns 0 or -ENOMEM. */
int ctl_table_print(const struct ctl_table *table, FILE *out);

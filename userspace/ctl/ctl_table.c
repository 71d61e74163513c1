/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_table.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum { GAP = 3 };

/* Columns on a terminal: characters, not bytes. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Texts come from elsewhere, too: none of them steers a terminal. */
static void make_plain(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

static void add_cell(struct ctl_table *table, char *text)
{
	if (!text || vec_push(&table->cells, text)) {
		free(text);
		table->error = -ENOMEM;
	}
}

void ctl_table_init(struct ctl_table *table, const char *const headers[], size_t columns)
{
	*table = (struct ctl_table){.columns = columns};
	for (size_t i = 0; headers && i < columns; i++)
		ctl_table_cell(table, "%s", headers[i]);
}

void ctl_table_done(struct ctl_table *table)
{
	vec_foreach(&table->cells, cell)
		free(*cell);
	vec_done(&table->cells);
}

void ctl_table_cell(struct ctl_table *table, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text && !*text) {
		free(text);
		text = strdup("-");
	}
	if (text)
		make_plain(text);
	add_cell(table, text);
}

static void print_cell(FILE *out, const char *text, size_t padding)
{
	fputs(text, out);
	for (; padding; padding--)
		putc_unlocked(' ', out);
}

int ctl_table_print(const struct ctl_table *table, FILE *out)
{
	_cleanup_free_ size_t *widths = calloc(table->columns, sizeof(*widths));

	if (table->error || !widths)
		return -ENOMEM;
	for (size_t i = 0; i < table->cells.len; i++) {
		size_t width = text_width(table->cells.items[i]);

		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	for (size_t i = 0; i < table->cells.len; i++) {
		const char *text = table->cells.items[i];
		size_t column = i % table->columns;

		if (column + 1 < table->columns)
			print_cell(out, text, widths[column] - text_width(text) + GAP);
		else
			fprintf(out, "%s\n", text);
	}
	return 0;
}

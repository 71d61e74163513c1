/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_rescue.h"

#include "base/cleanup.h"
#include "ctl/ctl_age.h"
#include "ctl/ctl_options.h"
#include "ctl/ctl_table.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

static int fail(char *error, size_t size, const char *why)
{
	snprintf(error, size, "/v1/rescue: %s", why);
	return -EBADMSG;
}

static void upper(char *ret, size_t size, const char *text)
{
	size_t i = 0;

	for (; text[i] && i + 1 < size; i++)
		ret[i] = (char)toupper((unsigned char)text[i]);
	ret[i] = '\0';
}

enum { OUTCOMES_MAX = 16, HEADER_SIZE = 24 };

/* One column per outcome, as the daemon names them. */
static size_t write_headers(const json_t *first, char texts[][HEADER_SIZE], const char *headers[])
{
	size_t columns = 1;
	const char *key;
	json_t *value;

	headers[0] = "CAUSE";
	json_object_foreach((json_t *)first, key, value) {
		if (columns > OUTCOMES_MAX)
			break;
		upper(texts[columns - 1], HEADER_SIZE, key);
		headers[columns] = texts[columns - 1];
		columns++;
	}
	return columns;
}

static int print_counts(json_t *counts, FILE *out)
{
	char texts[OUTCOMES_MAX][HEADER_SIZE];
	const char *headers[OUTCOMES_MAX + 1], *cause, *outcome;
	json_t *first = json_object_iter_value(json_object_iter(counts)), *row, *count;
	size_t columns = write_headers(first, texts, headers);
	struct ctl_table table;
	int err;

	ctl_table_init(&table, headers, columns);
	json_object_foreach(counts, cause, row) {
		size_t cells = 1;

		ctl_table_cell(&table, "%s", cause);
		json_object_foreach(row, outcome, count) {
			if (cells++ < columns)
				ctl_table_cell(&table, "%lld",
					       (long long)json_integer_value(count));
		}
	}
	err = ctl_table_print(&table, out);
	ctl_table_done(&table);
	return err;
}

/* What has happened only: one line for each reason. */
static int print_impossible(json_t *impossible, FILE *out)
{
	static const char *const headers[] = {"IMPOSSIBLE", "REQUESTS"};
	struct ctl_table table;
	const char *reason;
	bool any = false;
	json_t *count;
	int err = 0;

	ctl_table_init(&table, headers, ARRAY_SIZE(headers));
	json_object_foreach(impossible, reason, count) {
		if (!json_integer_value(count))
			continue;
		any = true;
		ctl_table_cell(&table, "%s", reason);
		ctl_table_cell(&table, "%lld", (long long)json_integer_value(count));
	}
	if (any) {
		fputc('\n', out);
		err = ctl_table_print(&table, out);
	}
	ctl_table_done(&table);
	return err;
}

/* "" for null. */
static const char *text_of(const json_t *value)
{
	return json_is_string(value) ? json_string_value(value) : "";
}

static double seconds_of(const json_t *value)
{
	return json_is_number(value) ? json_number_value(value) : -1;
}

static int add_row(struct ctl_table *table, json_t *item, const struct ctl_options *options)
{
	const char *service, *request, *cause, *outcome;
	json_t *ago, *client, *failed, *other, *took;
	char age[CTL_AGE_SIZE], latency[CTL_AGE_SIZE];

	if (json_unpack(item, "{s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "ago_seconds", &ago,
			"service", &service, "request", &request, "cause", &cause, "outcome",
			&outcome, "client", &client, "failed", &failed, "other", &other,
			"took_seconds", &took))
		return -EBADMSG;
	if (!ctl_options_match(options, service))
		return 0;
	ctl_table_cell(table, "%s", ctl_age_to_str(seconds_of(ago), age));
	ctl_table_cell(table, "%s", service);
	ctl_table_cell(table, "%s", cause);
	ctl_table_cell(table, "%s", text_of(failed));
	ctl_table_cell(table, "%s", outcome);
	ctl_table_cell(table, "%s", text_of(other));
	ctl_table_cell(table, "%s", ctl_age_latency(seconds_of(took), latency));
	if (options->format == CTL_WIDE)
		ctl_table_cell(table, "%s", text_of(client));
	if (options->format == CTL_WIDE)
		ctl_table_cell(table, "%s", request);
	return 0;
}

static int print_recent(json_t *recent, const struct ctl_options *options, FILE *out)
{
	static const char *const headers[] = {"AGO",   "SERVICE", "CAUSE",  "FAILED", "OUTCOME",
					      "OTHER", "TOOK",    "CLIENT", "REQUEST"};
	struct ctl_table table;
	json_t *item;
	int err = 0;
	size_t i;

	ctl_table_init(&table, headers, options->format == CTL_WIDE ? 9 : 7);
	json_array_foreach(recent, i, item) {
		if (!err)
			err = add_row(&table, item, options);
	}
	if (!err)
		err = ctl_table_print(&table, out);
	ctl_table_done(&table);
	return err;
}

int ctl_rescue(const char *json, const struct ctl_options *options, FILE *out, char *error,
	       size_t error_size)
{
	_cleanup_(cleanup_json) json_t *root = json_loads(json, 0, NULL);
	json_t *counts, *impossible, *recent;
	json_int_t services;
	int running, err;

	if (!root)
		return fail(error, error_size, "is no JSON");
	if (json_unpack(root, "{s:I, s:b, s:o, s:o, s:o}", "services", &services, "running",
			&running, "counts", &counts, "impossible", &impossible, "recent",
			&recent) ||
	    !json_is_object(counts) || !json_is_object(impossible) || !json_is_array(recent))
		return fail(error, error_size, "something is missing");
	if (options->format == CTL_JSON) {
		fputs(json, out);
		return 0;
	}
	fprintf(out, "%lld service(s) have opted in; failed requests are %s\n\n",
		(long long)services, running ? "replayed" : "not replayed");
	err = print_counts(counts, out);
	if (!err)
		err = print_impossible(impossible, out);
	if (!err) {
		fputc('\n', out);
		err = print_recent(recent, options, out);
	}
	return err == -EBADMSG ? fail(error, error_size, "a rescue is incomplete") : err;
}

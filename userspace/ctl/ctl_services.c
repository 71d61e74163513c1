/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "ctl/ctl_age.h"
#include "ctl/ctl_json.h"
#include "ctl/ctl_options.h"
#include "ctl/ctl_table.h"
#include "ctl/ctl_verbs.h"
#include "ctl/ctl_view.h"
#include "health/kernel_health.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

/* So many frontends of a service are shown in a table. */
enum { FRONTENDS_SHOWN = 2 };

struct health_counts {
	size_t of[KERNEL_HEALTH_COUNT];
};

static struct health_counts count_health(const struct ctl_view *view,
					 const struct ctl_service *service)
{
	struct health_counts counts = {};

	for (size_t i = 0; i < service->backends; i++)
		counts.of[view->backends.items[service->first_backend + i].health]++;
	return counts;
}

/* Table */

static char *frontends_text(const struct ctl_service *service, bool all)
{
	size_t len = service->frontends.len, shown = all ? len : FRONTENDS_SHOWN;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < len && i < shown; i++) {
		const struct ctl_frontend *frontend = &service->frontends.items[i];

		fprintf(out, "%s%s%s", i ? "," : "", frontend->address,
			frontend->ranges ? "(ranges)" : "");
	}
	if (len > shown)
		fprintf(out, " +%zu more", len - shown);
	fclose(out);
	return text;
}

/* "up:2,down:1" */
static void health_text(const struct health_counts *counts, char *buf, size_t size)
{
	size_t len = 0;

	*buf = '\0';
	for (int health = SW_HEALTH_UNKNOWN; health < KERNEL_HEALTH_COUNT; health++) {
		if (counts->of[health] && len < size)
			len += (size_t)snprintf(buf + len, size - len, "%s%s:%zu", len ? "," : "",
						kernel_health_to_str(health), counts->of[health]);
	}
}

/* The kinds of difference, each once. */
static void differences_text(const struct ctl_view *view, const struct ctl_service *service,
			     char *buf, size_t size)
{
	bool seen[DIFFERENCE_KIND_COUNT] = {};
	size_t len = 0;

	*buf = '\0';
	for (size_t i = 0; i < service->differences; i++) {
		enum ctl_difference_kind kind =
			view->differences.items[service->first_difference + i].kind;

		if (!seen[kind] && len < size)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? "," : "",
						ctl_difference_kind_to_str(kind));
		seen[kind] = true;
	}
}

static void add_wide_cells(const struct ctl_view *view, const struct ctl_service *service,
			   struct ctl_table *table)
{
	struct health_counts counts = count_health(view, service);
	char text[128];

	health_text(&counts, text, sizeof(text));
	ctl_table_cell(table, "%s", text);
	ctl_table_cell(table, "%zu", service->backends);
}

static void add_row(const struct ctl_view *view, const struct ctl_service *service, bool wide,
		    bool differences, struct ctl_table *table)
{
	_cleanup_free_ char *frontends = frontends_text(service, wide);
	char age[CTL_AGE_SIZE], text[256];

	ctl_table_cell(table, "%s", service->name);
	ctl_table_cell(table, "%s", frontends ? frontends : "?");
	ctl_table_cell(table, "%u/%u/%u", service->usable, service->ready, service->terminating);
	ctl_table_cell(table, "%" PRIu64, service->connects);
	ctl_table_cell(table, "%" PRIu64, service->refused);
	ctl_table_cell(table, "%s", ctl_age_ago(service->last_used, age));
	if (wide)
		add_wide_cells(view, service, table);
	if (!differences)
		return;
	differences_text(view, service, text, sizeof(text));
	ctl_table_cell(table, "%s", text);
}

static bool any_differs(const struct ctl_view *view, const struct ctl_options *options)
{
	vec_foreach(&view->services, service) {
		if (service->differences && ctl_options_match(options, service->name))
			return true;
	}
	return false;
}

static int print_table(const struct ctl_view *view, const struct ctl_options *options, FILE *out)
{
	bool wide = options->format == CTL_WIDE, differences = any_differs(view, options);
	const char *headers[9] = {"SERVICE",  "FRONTENDS", "ENDPOINTS",
				  "CONNECTS", "REFUSED",   "LAST USED"};
	_cleanup_(ctl_table_done) struct ctl_table table = {};
	size_t columns = 6;

	if (wide) {
		headers[columns++] = "HEALTH";
		headers[columns++] = "BACKENDS";
	}
	if (differences)
		headers[columns++] = "DIFFERS";
	ctl_table_init(&table, headers, columns);
	vec_foreach(&view->services, service) {
		if (ctl_options_match(options, service->name))
			add_row(view, service, wide, differences, &table);
	}
	return ctl_table_print(&table, out);
}

/* JSON */

static json_t *json_frontends(const struct ctl_service *service)
{
	json_t *array = json_array();

	vec_foreach(&service->frontends, frontend) {
		json_t *item = json_pack("{s:s, s:b, s:b, s:b}", "address", frontend->address,
					 "in_kernel", frontend->in_kernel, "in_daemon",
					 frontend->in_daemon, "source_ranges", frontend->ranges);

		if (!array || json_array_append_new(array, item)) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *json_health(const struct ctl_view *view, const struct ctl_service *service)
{
	struct health_counts counts = count_health(view, service);
	json_t *object = json_object();

	for (int health = SW_HEALTH_UNKNOWN; health < KERNEL_HEALTH_COUNT; health++)
		json_object_set_new(object, kernel_health_to_str(health),
				    json_integer((json_int_t)counts.of[health]));
	return object;
}

static json_t *json_service(const struct ctl_view *view, const struct ctl_service *service)
{
	const struct ctl_difference *differences =
		view->differences.items + service->first_difference;

	return json_pack(
		"{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:b, s:b, s:o}", "name",
		service->name, "protocol", service->proto == IPPROTO_UDP ? "UDP" : "TCP",
		"frontends", json_frontends(service), "usable", (json_int_t)service->usable,
		"ready", (json_int_t)service->ready, "terminating",
		(json_int_t)service->terminating, "connects", (json_int_t)service->connects,
		"refused", (json_int_t)service->refused, "last_used_seconds",
		ctl_json_seconds(service->last_used), "health", json_health(view, service),
		"in_kernel", service->in_kernel, "in_daemon", service->in_daemon, "differences",
		ctl_json_differences(differences, service->differences));
}

static int print_json(const struct ctl_view *view, const struct ctl_options *options, FILE *out)
{
	json_t *root = ctl_json_new(view), *array = json_array();
	int err = json_object_set_new(root, "services", array);

	vec_foreach(&view->services, service) {
		if (!err && ctl_options_match(options, service->name))
			err = json_array_append_new(array, json_service(view, service));
	}
	if (!err)
		return ctl_json_print(root, out);
	json_decref(root);
	return -ENOMEM;
}

int ctl_services(const struct ctl_view *view, const struct ctl_options *options, FILE *out)
{
	switch (options->format) {
	case CTL_TABLE:
	case CTL_WIDE:
		return print_table(view, options, out);
	case CTL_JSON:
		return print_json(view, options, out);
	case CTL_FORMAT_COUNT:
		break;
	}
	return -EINVAL;
}

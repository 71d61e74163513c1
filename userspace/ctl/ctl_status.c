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
#include <string.h>

/* A table shows so many differences, unless it is wide. */
enum { DIFFERENCES_SHOWN = 20 };

static size_t count_health(const struct ctl_view *view, enum sw_health health)
{
	size_t count = 0;

	vec_foreach(&view->backends, backend)
		count += backend->health == health;
	return count;
}

/* Table: the first column names what the second says. */

static void add_daemon(const struct ctl_view *view, struct ctl_table *table)
{
	const struct belief_daemon *daemon;
	char age[CTL_AGE_SIZE];

	ctl_table_cell(table, "daemon");
	if (!view->belief) {
		ctl_table_cell(table, "does not answer");
		return;
	}
	daemon = &view->belief->daemon;
	ctl_table_cell(table, "running for %s, version %s", ctl_age_to_str(daemon->uptime, age),
		       daemon->version);
	ctl_table_cell(table, "node");
	ctl_table_cell(table, "%s", daemon->node);
	ctl_table_cell(table, "source");
	ctl_table_cell(table, "%s, %s, last change %s", daemon->source,
		       daemon->applied  ? "applied"
		       : daemon->synced ? "read, not yet applied"
					: "not read completely",
		       ctl_age_ago(daemon->last_sync, age));
	if (daemon->failing) {
		ctl_table_cell(table, "failing");
		ctl_table_cell(table, "%" PRIu64 " service(s) not fully applied, tried again",
			       daemon->failing);
	}
	ctl_table_cell(table, "probes");
	ctl_table_cell(table, "%" PRIu64 ", failed %" PRIu64, daemon->probes,
		       daemon->probe_failures);
}

static void add_kernel(const struct ctl_view *view, struct ctl_table *table)
{
	char age[CTL_AGE_SIZE];

	ctl_table_cell(table, "heartbeat");
	if (!view->snapshot) {
		ctl_table_cell(table, "the maps could not be read");
		return;
	}
	ctl_table_cell(table, "%s%s", ctl_age_ago(view->heartbeat, age),
		       view->snapshot->trusted ? "" : ", stale: the kernel ignores health");
	ctl_table_cell(table, "ABI version");
	ctl_table_cell(table, "%u", view->snapshot->abi_version);
}

static void add_counts(const struct ctl_view *view, struct ctl_table *table)
{
	ctl_table_cell(table, "service ports");
	ctl_table_cell(table, "%zu", view->services.len);
	ctl_table_cell(table, "frontends");
	ctl_table_cell(table, "%zu", view->frontends);
	ctl_table_cell(table, "backends");
	ctl_table_cell(table, "%zu: %zu up, %zu unknown, %zu suspect, %zu down, %zu refused",
		       view->backends.len, count_health(view, SW_HEALTH_UP),
		       count_health(view, SW_HEALTH_UNKNOWN), count_health(view, SW_HEALTH_SUSPECT),
		       count_health(view, SW_HEALTH_DOWN), count_health(view, SW_HEALTH_REFUSED));
}

static void add_differences(const struct ctl_view *view, bool all, struct ctl_table *table)
{
	size_t shown = all ? SIZE_MAX : DIFFERENCES_SHOWN;
	char text[CTL_DIFFERENCE_SIZE];

	ctl_table_cell(table, "differences");
	if (!view->snapshot || !view->belief)
		ctl_table_cell(table, "not known: one side is missing");
	else
		ctl_table_cell(table, "%zu", view->differences.len);
	for (size_t i = 0; i < view->differences.len && i < shown; i++) {
		ctl_table_cell(table, " ");
		ctl_table_cell(table, "%s",
			       ctl_difference_to_str(&view->differences.items[i], text));
	}
	if (view->differences.len > shown) {
		ctl_table_cell(table, " ");
		ctl_table_cell(table, "and %zu more: see -o wide", view->differences.len - shown);
	}
}

static int print_table(const struct ctl_view *view, bool wide, FILE *out)
{
	_cleanup_(ctl_table_done) struct ctl_table table = {};

	ctl_table_init(&table, NULL, 2);
	add_daemon(view, &table);
	add_kernel(view, &table);
	add_counts(view, &table);
	add_differences(view, wide, &table);
	return ctl_table_print(&table, out);
}

/* JSON */

static json_t *json_daemon(const struct belief_daemon *daemon)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:I, s:I, s:I, s:I}", "version",
			 daemon->version, "node", daemon->node, "source", daemon->source, "synced",
			 daemon->synced, "applied", daemon->applied, "last_sync_seconds",
			 ctl_json_seconds(daemon->last_sync), "uptime_seconds",
			 ctl_json_seconds(daemon->uptime), "abi_version",
			 (json_int_t)daemon->abi_version, "failing_services",
			 (json_int_t)daemon->failing, "probes", (json_int_t)daemon->probes,
			 "probe_failures", (json_int_t)daemon->probe_failures);
}

static json_t *json_kernel(const struct ctl_view *view)
{
	return json_pack("{s:I, s:o, s:I}", "abi_version", (json_int_t)view->snapshot->abi_version,
			 "heartbeat_seconds", ctl_json_seconds(view->heartbeat), "broken_frontends",
			 (json_int_t)view->snapshot->broken);
}

static json_t *json_health(const struct ctl_view *view)
{
	json_t *object = json_object();

	for (int health = SW_HEALTH_UNKNOWN; health < KERNEL_HEALTH_COUNT; health++)
		json_object_set_new(object, kernel_health_to_str(health),
				    json_integer((json_int_t)count_health(view, health)));
	return object;
}

static int print_json(const struct ctl_view *view, FILE *out)
{
	json_t *root = ctl_json_new(view);
	json_t *rest =
		json_pack("{s:o, s:o, s:I, s:I, s:I, s:o, s:o}", "daemon_status",
			  view->belief ? json_daemon(&view->belief->daemon) : json_null(),
			  "kernel_status", view->snapshot ? json_kernel(view) : json_null(),
			  "service_ports", (json_int_t)view->services.len, "frontends",
			  (json_int_t)view->frontends, "backends", (json_int_t)view->backends.len,
			  "backends_by_health", json_health(view), "differences",
			  ctl_json_differences(view->differences.items, view->differences.len));
	int err = json_object_update(root, rest);

	json_decref(rest);
	if (!err)
		return ctl_json_print(root, out);
	json_decref(root);
	return -ENOMEM;
}

int ctl_status(const struct ctl_view *view, const struct ctl_options *options, FILE *out)
{
	switch (options->format) {
	case CTL_TABLE:
	case CTL_WIDE:
		return print_table(view, options->format == CTL_WIDE, out);
	case CTL_JSON:
		return print_json(view, out);
	case CTL_FORMAT_COUNT:
		break;
	}
	return -EINVAL;
}

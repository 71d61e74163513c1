/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "ctl/ctl_age.h"
#include "ctl/ctl_json.h"
#include "ctl/ctl_options.h"
#include "ctl/ctl_table.h"
#include "ctl/ctl_verbs.h"
#include "ctl/ctl_view.h"
#include "datapath/dp_evidence.h"
#include "health/kernel_health.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static bool matches(const struct ctl_options *options, const struct ctl_backend *backend)
{
	return ctl_options_match(options, backend->service) ||
	       ctl_options_match(options, backend->address) ||
	       ctl_options_match(options, backend->pod);
}

/* A backend differs itself, or with all of its service. NULL if it does not. */
static const struct ctl_difference *difference_of(const struct ctl_view *view,
						  const struct ctl_service *service,
						  const struct ctl_backend *backend)
{
	const struct ctl_difference *items = view->differences.items + service->first_difference;

	for (size_t i = 0; i < service->differences; i++) {
		enum ctl_difference_kind kind = items[i].kind;

		if (kind == DIFFERENCE_SERVICE_ONLY_IN_KERNEL ||
		    kind == DIFFERENCE_SERVICE_ONLY_IN_DAEMON)
			return &items[i];
		if ((kind == DIFFERENCE_HEALTH || kind == DIFFERENCE_BACKEND_ONLY_IN_KERNEL ||
		     kind == DIFFERENCE_BACKEND_ONLY_IN_DAEMON) &&
		    !strcmp(items[i].subject, backend->address))
			return &items[i];
	}
	return NULL;
}

/* Table */

static void add_wide_cells(const struct ctl_backend *backend, struct ctl_table *table)
{
	char age[CTL_AGE_SIZE];

	ctl_table_cell(table, "%s", backend->state);
	ctl_table_cell(table, "%s", backend->next);
	ctl_table_cell(table, "%s", ctl_age_ago(backend->last_probe, age));
	ctl_table_cell(table, "%" PRIu64, backend->probes);
	ctl_table_cell(table, "%" PRIu64, backend->failures);
	ctl_table_cell(table, "%" PRIu64, backend->discarded);
	ctl_table_cell(table, "%s", backend->terminating ? "yes" : "no");
	ctl_table_cell(table, "%u", backend->open);
	ctl_table_cell(table, "%u", backend->index);
}

static void add_difference_cell(const struct ctl_difference *difference, struct ctl_table *table)
{
	if (!difference)
		ctl_table_cell(table, "-");
	else if (difference->kind == DIFFERENCE_HEALTH)
		ctl_table_cell(table, "daemon: %s", difference->daemon);
	else
		ctl_table_cell(table, "%s", ctl_difference_kind_to_str(difference->kind));
}

/* Why it is out or in: what the kernel saw, while it goes by that, else what the probe said. */
static void add_reason_cell(const struct ctl_backend *backend, struct ctl_table *table)
{
	char why[DP_EVIDENCE_SIZE];

	if (backend->rank == DP_RANK_EJECTED)
		ctl_table_cell(table, "%s, ejected for %.1fs",
			       dp_evidence_to_str(backend->evidence, backend->status, why),
			       backend->ejected_for);
	else if (backend->rank <= DP_RANK_SUSPECT && backend->lowered)
		ctl_table_cell(table, "some responses fail, half of its share");
	else
		ctl_table_cell(table, "%s", backend->detail);
}

static void add_row(const struct ctl_backend *backend, bool wide, struct ctl_table *table)
{
	char age[CTL_AGE_SIZE];

	ctl_table_cell(table, "%s", backend->service);
	ctl_table_cell(table, "%s", backend->address);
	ctl_table_cell(table, "%s", backend->pod);
	ctl_table_cell(table, "%s", kernel_health_to_str(backend->health));
	ctl_table_cell(table, "%s", backend->in_kernel ? dp_rank_to_str(backend->rank) : "");
	add_reason_cell(backend, table);
	ctl_table_cell(table, "%s", ctl_age_to_str(backend->since, age));
	ctl_table_cell(table, "%" PRIu64, backend->connects);
	ctl_table_cell(table, "%s", ctl_age_latency(backend->latency, age));
	if (wide)
		add_wide_cells(backend, table);
}

static void add_rows(const struct ctl_view *view, const struct ctl_options *options,
		     const struct ctl_service *service, bool differences, struct ctl_table *table)
{
	for (size_t i = 0; i < service->backends; i++) {
		const struct ctl_backend *backend =
			&view->backends.items[service->first_backend + i];

		if (!matches(options, backend))
			continue;
		add_row(backend, options->format == CTL_WIDE, table);
		if (differences)
			add_difference_cell(difference_of(view, service, backend), table);
	}
}

static bool any_differs(const struct ctl_view *view, const struct ctl_options *options)
{
	vec_foreach(&view->services, service) {
		for (size_t i = 0; service->differences && i < service->backends; i++) {
			const struct ctl_backend *backend =
				&view->backends.items[service->first_backend + i];

			if (matches(options, backend) && difference_of(view, service, backend))
				return true;
		}
	}
	return false;
}

static int print_table(const struct ctl_view *view, const struct ctl_options *options, FILE *out)
{
	const char *headers[19] = {"SERVICE", "ADDRESS", "POD",      "HEALTH", "RANK",
				   "REASON",  "SINCE",   "CONNECTS", "LATENCY"};
	static const char *const wide[] = {"STATE",       "NEXT",     "LAST PROBE",
					   "PROBES",      "FAILURES", "DISCARDED",
					   "TERMINATING", "OPEN",     "INDEX"};
	_cleanup_(ctl_table_done) struct ctl_table table = {};
	bool differences = any_differs(view, options);
	size_t columns = 9;

	for (size_t i = 0; options->format == CTL_WIDE && i < ARRAY_SIZE(wide); i++)
		headers[columns++] = wide[i];
	if (differences)
		headers[columns++] = "DIFFERS";
	ctl_table_init(&table, headers, columns);
	vec_foreach(&view->services, service)
		add_rows(view, options, service, differences, &table);
	return ctl_table_print(&table, out);
}

/* JSON */

/* What only the daemon knows: null without it. */
static json_t *json_probe(const struct ctl_backend *backend)
{
	if (!*backend->state)
		return json_null();
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:s, s:O?}", "state", backend->state, "detail",
		backend->detail, "last_seconds", ctl_json_seconds(backend->last_probe),
		"latency_seconds", ctl_json_seconds(backend->latency), "count",
		(json_int_t)backend->probes, "failures", (json_int_t)backend->failures, "discarded",
		(json_int_t)backend->discarded, "next", backend->next, "history", backend->history);
}

/* What the last ejection was for; null if there was none. */
static json_t *json_ejected_for(const struct ctl_backend *backend)
{
	char why[DP_EVIDENCE_SIZE];

	if (backend->evidence == SW_EVIDENCE_NONE)
		return json_null();
	return json_string(dp_evidence_to_str(backend->evidence, backend->status, why));
}

static json_t *json_backend(const struct ctl_view *view, const struct ctl_service *service,
			    const struct ctl_backend *backend)
{
	const struct ctl_difference *difference = difference_of(view, service, backend);
	json_t *rank =
		backend->in_kernel ? json_string(dp_rank_to_str(backend->rank)) : json_null();

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:o, s:b, s:o, s:o, s:o, s:b, s:I, s:I, s:I, s:o, s:b, s:b, "
		"s:o}",
		"service", backend->service, "address", backend->address, "pod", backend->pod,
		"health", kernel_health_to_str(backend->health), "rank", rank, "terminating",
		backend->terminating, "since_seconds", ctl_json_seconds(backend->since),
		"ejected_seconds", ctl_json_seconds(backend->ejected_for), "ejected_for",
		json_ejected_for(backend), "lowered", backend->lowered, "connects",
		(json_int_t)backend->connects, "open", (json_int_t)backend->open, "index",
		(json_int_t)backend->index, "probe", json_probe(backend), "in_kernel",
		backend->in_kernel, "in_daemon", backend->in_daemon, "differences",
		ctl_json_differences(difference, difference ? 1 : 0));
}

static int add_json(const struct ctl_view *view, const struct ctl_options *options,
		    const struct ctl_service *service, json_t *array)
{
	int err = 0;

	for (size_t i = 0; !err && i < service->backends; i++) {
		const struct ctl_backend *backend =
			&view->backends.items[service->first_backend + i];

		if (matches(options, backend))
			err = json_array_append_new(array, json_backend(view, service, backend));
	}
	return err;
}

static int print_json(const struct ctl_view *view, const struct ctl_options *options, FILE *out)
{
	json_t *root = ctl_json_new(view), *array = json_array();
	int err = json_object_set_new(root, "backends", array);

	vec_foreach(&view->services, service) {
		if (!err)
			err = add_json(view, options, service, array);
	}
	if (!err)
		return ctl_json_print(root, out);
	json_decref(root);
	return -ENOMEM;
}

int ctl_backends(const struct ctl_view *view, const struct ctl_options *options, FILE *out)
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

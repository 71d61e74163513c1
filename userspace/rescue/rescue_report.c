/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/rescue_report.h"

#include "base/duration.h"
#include "base/json_text.h"
#include "rescue/rescue_obstacle.h"

#include <inttypes.h>

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_number(FILE *out, const char *name, const char *type, const char *help,
			 uint64_t value)
{
	head(out, name, type, help);
	fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void write_latency(FILE *out, const struct histogram *latency)
{
	const char *name = "swerve_rescue_duration_seconds";
	uint64_t count = 0;

	head(out, name, "histogram", "From a failure to the first byte of another response.");
	for (size_t i = 0; i < HISTOGRAM_STEPS; i++) {
		count += latency->counts[i];
		fprintf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
			(double)histogram_bound(i) / (double)NSEC_PER_SEC, count);
	}
	fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, histogram_count(latency));
	fprintf(out, "%s_sum %.9f\n%s_count %" PRIu64 "\n", name,
		(double)latency->sum / (double)NSEC_PER_SEC, name, histogram_count(latency));
}

void rescue_report_metrics(FILE *out, const struct rescue_view *view)
{
	const struct rescue_stats *stats = &view->results.stats;

	write_number(out, "swerve_rescue_services", "gauge",
		     "Services whose failed requests are replayed.", view->services);
	write_number(out, "swerve_rescue_running", "gauge", "1 while failed requests are replayed.",
		     view->running);
	head(out, "swerve_rescues_total", "counter",
	     "Failed requests that were held back, by what came of them.");
	for (int cause = 0; cause < RESCUE_CAUSE_COUNT; cause++) {
		for (int outcome = 0; outcome < RESCUE_OUTCOME_COUNT; outcome++)
			fprintf(out,
				"swerve_rescues_total{cause=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
				rescue_cause_to_str(cause), rescue_outcome_to_str(outcome),
				stats->ended[cause][outcome]);
	}
	head(out, "swerve_rescue_impossible_total", "counter",
	     "Failures that could not be made up for, though the service wants it.");
	for (int i = 0; i < SW_OBSTACLE_COUNT; i++)
		fprintf(out, "swerve_rescue_impossible_total{reason=\"%s\"} %" PRIu64 "\n",
			rescue_obstacle_to_str(i), stats->impossible[i]);
	write_number(out, "swerve_rescue_overruns_total", "counter",
		     "Failures let through since too many were under way.", stats->overruns);
	write_latency(out, &stats->latency);
}

static void write_counts(FILE *out, const struct rescue_stats *stats)
{
	for (int cause = 0; cause < RESCUE_CAUSE_COUNT; cause++) {
		fprintf(out, "%s\"%s\":{", cause ? "," : "", rescue_cause_to_str(cause));
		for (int outcome = 0; outcome < RESCUE_OUTCOME_COUNT; outcome++)
			fprintf(out, "%s\"%s\":%" PRIu64, outcome ? "," : "",
				rescue_outcome_to_str(outcome), stats->ended[cause][outcome]);
		fputc('}', out);
	}
}

static void write_impossible(FILE *out, const struct rescue_stats *stats)
{
	for (int i = 0; i < SW_OBSTACLE_COUNT; i++)
		fprintf(out, "%s\"%s\":%" PRIu64, i ? "," : "", rescue_obstacle_to_str(i),
			stats->impossible[i]);
}

static void write_string(FILE *out, const char *separator_and_key, const char *text)
{
	fputs(separator_and_key, out);
	json_text_string(out, text);
}

/* null without a port. */
static void write_address(FILE *out, const char *key, const struct addr *addr, uint16_t port)
{
	char text[ADDR_PORT_STR_SIZE];

	if (port)
		fprintf(out, ",\"%s\":\"%s\"", key, addr_port_to_str(addr, port, text));
	else
		fprintf(out, ",\"%s\":null", key);
}

static void write_note(FILE *out, const struct rescue_note *note, uint64_t now)
{
	fputs("{\"ago_seconds\":", out);
	json_text_ago(out, now, note->ended);
	write_string(out, ",\"service\":", note->service);
	write_string(out, ",\"request\":", note->request);
	fprintf(out, ",\"cause\":\"%s\",\"outcome\":\"%s\"", rescue_cause_to_str(note->cause),
		rescue_outcome_to_str(note->outcome));
	write_address(out, "client", &note->client, note->client_port);
	write_address(out, "failed", &note->failed, note->failed_port);
	write_address(out, "other", &note->other, note->other_port);
	fputs(",\"took_seconds\":", out);
	if (note->took)
		json_text_seconds(out, note->took);
	else
		fputs("null", out);
	fputc('}', out);
}

void rescue_report_json(FILE *out, const struct rescue_view *view, uint64_t now)
{
	const struct rescue_results *results = &view->results;
	const char *separator = "\n";

	fprintf(out, "{\"services\":%zu,\"running\":%s,\"counts\":{", view->services,
		view->running ? "true" : "false");
	write_counts(out, &results->stats);
	fputs("},\"impossible\":{", out);
	write_impossible(out, &results->stats);
	fprintf(out, "},\"overruns\":%" PRIu64 ",\"recent\":[", results->stats.overruns);
	for (uint64_t i = 0; i < RESCUE_RECENT && i < results->notes; i++) {
		fputs(separator, out);
		write_note(out, &results->recent[(results->notes - 1 - i) % RESCUE_RECENT], now);
		separator = ",\n";
	}
	fputs("\n]}\n", out);
}

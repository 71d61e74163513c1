/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels stay few: nothing is counted per backend, as pods come and go and Prometheus keeps a
 * series for each value that it ever saw.
 */
#include "status/status_metrics.h"

#include "base/cleanup.h"
#include "base/duration.h"
#include "health/kernel_health.h"
#include "status/status_view.h"

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

/* Writes a label's value, without the quotes around it. */
static void write_label(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			putc_unlocked('\\', out);
		if (*text == '\n')
			fputs_unlocked("\\n", out);
		else
			putc_unlocked(*text, out);
	}
}

static void write_daemon(FILE *out, const struct status_view *view)
{
	head(out, "swerve_build_info", "gauge", "Version of the daemon; always 1.");
	fputs("swerve_build_info{version=\"", out);
	write_label(out, view->version);
	fputs("\",node=\"", out);
	write_label(out, view->node);
	fprintf(out, "\",abi=\"%d\"} 1\n", SW_ABI_VERSION);
	head(out, "swerve_uptime_seconds", "gauge", "How long the daemon has been running.");
	fprintf(out, "swerve_uptime_seconds %.3f\n",
		(double)(view->now - view->started) / (double)NSEC_PER_SEC);
	write_number(out, "swerve_ready", "gauge",
		     "1 once everything that the source delivered first is served.",
		     view->progress.applied);
	write_number(out, "swerve_services_failing", "gauge",
		     "Services that are not fully applied and tried again.",
		     view->progress.failing);
	head(out, "swerve_source_objects", "gauge", "Objects that the source has delivered.");
	for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		fprintf(out, "swerve_source_objects{kind=\"%s\"} %zu\n", object_kind_to_str(kind),
			view->objects[kind]);
}

static void write_conns(FILE *out, const struct status_view *view)
{
	write_number(out, "swerve_connections_closed_total", "counter",
		     "Connections closed because their endpoint was down.",
		     view->progress.conns_closed);
	write_number(out, "swerve_udp_sockets_moved_total", "counter",
		     "Connected UDP sockets that were given another endpoint.",
		     view->progress.udp_moved);
	write_number(out, "swerve_connections_close_errors_total", "counter",
		     "Endpoints that were down and whose connections could not all be closed.",
		     view->progress.conn_errors);
}

static void write_sense(FILE *out, const struct status_view *view)
{
	size_t ejected = 0, lowered = 0;

	vec_foreach(&view->backends, backend) {
		ejected += backend->ejected;
		lowered += backend->lowered;
	}
	write_number(out, "swerve_backends_ejected", "gauge",
		     "Endpoints that the kernel keeps out for what their connections showed.",
		     ejected);
	write_number(out, "swerve_backends_lowered", "gauge",
		     "Endpoints that get half of their share, since some of their responses fail.",
		     lowered);
	write_number(out, "swerve_ejections_total", "counter", "Times that it has taken one out.",
		     view->progress.ejections);
	write_number(out, "swerve_ejections_spared_total", "counter",
		     "Failures after which too few others would have been left.",
		     view->progress.spared);
	write_number(out, "swerve_excused_total", "counter",
		     "Times that one was taken back: single clients only can not connect.",
		     view->progress.excused);
	write_number(out, "swerve_poison_requests_total", "counter",
		     "Times that several endpoints failed at once while their probes passed.",
		     view->progress.poison);
}

static void write_counts(FILE *out, const struct status_view *view)
{
	write_number(out, "swerve_services", "gauge", "Services that are served.", view->services);
	write_number(out, "swerve_service_ports", "gauge", "Ports of these services.",
		     view->ports.len);
	write_number(out, "swerve_frontends", "gauge", "Addresses and ports of these services.",
		     view->frontends);
	head(out, "swerve_backends", "gauge", "Endpoints of these services by health.");
	for (int health = SW_HEALTH_UNKNOWN; health < KERNEL_HEALTH_COUNT; health++)
		fprintf(out, "swerve_backends{health=\"%s\"} %zu\n", kernel_health_to_str(health),
			status_view_count(view, health));
}

static void write_maps(FILE *out, const struct status_view *view)
{
	head(out, "swerve_map_entries", "gauge", "Elements of a map that are in use.");
	for (size_t i = 0; i < ARRAY_SIZE(view->maps); i++)
		fprintf(out, "swerve_map_entries{map=\"%s\"} %zu\n", view->maps[i].map,
			view->maps[i].used);
	head(out, "swerve_map_max_entries", "gauge", "Elements that a map has room for.");
	for (size_t i = 0; i < ARRAY_SIZE(view->maps); i++)
		fprintf(out, "swerve_map_max_entries{map=\"%s\"} %zu\n", view->maps[i].map,
			view->maps[i].size);
}

static void write_probes(FILE *out, const struct status_view *view)
{
	write_number(out, "swerve_probes_total", "counter", "Probes that ended.",
		     view->probes.probes);
	write_number(out, "swerve_probe_failures_total", "counter",
		     "Probes that spoke against a backend.", view->probes.failures);
	write_number(out, "swerve_probes_discarded_total", "counter",
		     "Probes without a verdict: an error of this machine, or no time to look.",
		     view->probes.discarded);
	write_number(out, "swerve_probes_spared_total", "counter",
		     "Probes not made as applications had answers meanwhile.", view->probes.spared);
}

/* Buckets are cumulative, as Prometheus wants them. */
static void write_histogram(FILE *out, const char *name, const char *help,
			    const struct histogram *histogram)
{
	uint64_t count = 0;

	head(out, name, "histogram", help);
	for (size_t i = 0; i < HISTOGRAM_STEPS; i++) {
		count += histogram->counts[i];
		fprintf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
			(double)histogram_bound(i) / (double)NSEC_PER_SEC, count);
	}
	fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, histogram_count(histogram));
	fprintf(out, "%s_sum %.9f\n%s_count %" PRIu64 "\n", name,
		(double)histogram->sum / (double)NSEC_PER_SEC, name, histogram_count(histogram));
}

static void write_seconds(FILE *out, const char *name, const char *type, const char *help,
			  uint64_t ns)
{
	head(out, name, type, help);
	fprintf(out, "%s %.6f\n", name, (double)ns / (double)NSEC_PER_SEC);
}

static void write_schedule(FILE *out, const struct status_view *view)
{
	head(out, "swerve_probe_targets", "gauge",
	     "Endpoints by whether this node uses their Service: idle ones are probed rarely.");
	fprintf(out, "swerve_probe_targets{demand=\"used\"} %zu\n",
		view->probes.backends - view->probes.idle);
	fprintf(out, "swerve_probe_targets{demand=\"idle\"} %zu\n", view->probes.idle);
	write_number(out, "swerve_probes_waiting", "gauge",
		     "Probes that are due and wait for --max-probes-per-second.",
		     view->probes.waiting);
	write_seconds(out, "swerve_probe_wait_seconds_total", "counter",
		      "How long probes have waited for it.", view->probes.waited);
	write_seconds(out, "swerve_probe_interval_seconds", "gauge",
		      "Mean time from probe to probe of endpoints that are well and used.",
		      view->probes.interval);
}

static void write_per_service(FILE *out, const struct status_view *view, const char *name,
			      const char *labels, uint64_t (*value)(const struct status_port *))
{
	vec_foreach(&view->ports, port) {
		fputs_unlocked(name, out);
		fputs_unlocked("{service=\"", out);
		write_label(out, port->name);
		fprintf(out, "\"%s} %" PRIu64 "\n", labels, value(port));
	}
}

static uint64_t connects(const struct status_port *port)
{
	return port->connects;
}

static uint64_t refused(const struct status_port *port)
{
	return port->refused;
}

static uint64_t usable(const struct status_port *port)
{
	return port->usable;
}

static uint64_t ready(const struct status_port *port)
{
	return port->ready;
}

static uint64_t terminating(const struct status_port *port)
{
	return port->terminating;
}

static void write_services(FILE *out, const struct status_view *view)
{
	const char *endpoints = "swerve_service_endpoints";

	head(out, "swerve_service_connects_total", "counter", "Connections sent to an endpoint.");
	write_per_service(out, view, "swerve_service_connects_total", "", connects);
	head(out, "swerve_service_refused_total", "counter",
	     "Connections refused for want of any endpoint.");
	write_per_service(out, view, "swerve_service_refused_total", "", refused);
	head(out, endpoints, "gauge",
	     "Endpoints by state: ready and terminating as Kubernetes says, usable (a part of "
	     "ready) by probes.");
	write_per_service(out, view, endpoints, ",state=\"usable\"", usable);
	write_per_service(out, view, endpoints, ",state=\"ready\"", ready);
	write_per_service(out, view, endpoints, ",state=\"terminating\"", terminating);
}

void status_metrics_write(FILE *out, const struct status_view *view)
{
	if (view->programming)
		write_histogram(out, "swerve_programming_duration_seconds",
				"From the arrival of a change to the kernel serving it.",
				view->programming);
	write_daemon(out, view);
	write_counts(out, view);
	write_maps(out, view);
	write_probes(out, view);
	write_conns(out, view);
	write_sense(out, view);
	write_schedule(out, view);
	write_services(out, view);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "status/status_json.h"

#include "base/json_text.h"
#include "datapath/dp_encode.h"
#include "health/kernel_health.h"

#include <inttypes.h>
#include <netinet/in.h>

static const char *bool_text(bool value)
{
	return value ? "true" : "false";
}

/* "key":"text", with the separator before it. */
static void write_string(FILE *out, const char *separator_and_key, const char *text)
{
	fputs_unlocked(separator_and_key, out);
	json_text_string(out, text);
}

static void write_ago(FILE *out, const char *separator_and_key, uint64_t now, uint64_t then)
{
	fputs_unlocked(separator_and_key, out);
	json_text_ago(out, now, then);
}

void status_json_health(FILE *out, const struct status_progress *progress, uint64_t now)
{
	if (progress->applied)
		fputs("{\"status\":\"ok\"", out);
	else
		write_string(out, "{\"status\":\"starting\",\"reason\":",
			     progress->synced ? "what the source has delivered is being applied"
					      : "the source has not delivered everything yet");
	fprintf(out, ",\"node_eligible\":%s", bool_text(progress->eligible));
	if (progress->away_since)
		write_ago(out, ",\"source_away_seconds\":", now, progress->away_since);
	if (progress->failing)
		fprintf(out, ",\"failing_services\":%zu", progress->failing);
	fputs("}\n", out);
}

static void write_source(FILE *out, const struct status_view *view)
{
	write_string(out, ",\"source\":{\"text\":", view->source);
	fprintf(out, ",\"synced\":%s,\"applied\":%s,\"failing_services\":%zu",
		bool_text(view->progress.synced), bool_text(view->progress.applied),
		view->progress.failing);
	write_ago(out, ",\"last_sync_seconds\":", view->now, view->progress.last_sync);
	fputs(",\"objects\":{", out);
	for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		fprintf(out, "%s\"%s\":%zu", kind ? "," : "", object_kind_to_str(kind),
			view->objects[kind]);
	fputs("}}", out);
}

static void write_health_counts(FILE *out, const struct status_view *view)
{
	fprintf(out, ",\"backends\":%zu,\"backends_by_health\":{", view->backends.len);
	for (int health = SW_HEALTH_UNKNOWN; health < KERNEL_HEALTH_COUNT; health++)
		fprintf(out, "%s\"%s\":%zu", health == SW_HEALTH_UNKNOWN ? "" : ",",
			kernel_health_to_str(health), status_view_count(view, health));
	fputs("}", out);
}

void status_json_status(FILE *out, const struct status_view *view)
{
	write_string(out, "{\"version\":", view->version);
	fprintf(out, ",\"abi_version\":%d", SW_ABI_VERSION);
	write_string(out, ",\"node\":", view->node);
	write_ago(out, ",\"uptime_seconds\":", view->now, view->started);
	write_source(out, view);
	fprintf(out, ",\"services\":%zu,\"service_ports\":%zu,\"frontends\":%zu", view->services,
		view->ports.len, view->frontends);
	write_health_counts(out, view);
	fprintf(out,
		",\"probes\":%" PRIu64 ",\"probe_failures\":%" PRIu64
		",\"probes_discarded\":%" PRIu64 "}\n",
		view->probes.probes, view->probes.failures, view->probes.discarded);
}

static void write_frontends(FILE *out, const struct status_port *port)
{
	const char *separator = "";
	char text[ADDR_PORT_STR_SIZE];

	fputs_unlocked(",\"frontends\":[", out);
	vec_foreach(port->frontends, frontend) {
		fprintf(out, "%s\"%s\"", separator, dp_frontend_key_to_str(&frontend->key, text));
		separator = ",";
	}
	fputs_unlocked("]", out);
}

static void write_port(FILE *out, const struct status_view *view, const struct status_port *port)
{
	write_string(out, "{\"name\":", port->name);
	fprintf(out, ",\"protocol\":\"%s\"", port->proto == IPPROTO_UDP ? "UDP" : "TCP");
	write_frontends(out, port);
	fprintf(out,
		",\"usable\":%" PRIu32 ",\"usable_hint\":%" PRIu32 ",\"ready\":%" PRIu32
		",\"terminating\":%" PRIu32 ",\"connects\":%" PRIu64 ",\"refused\":%" PRIu64,
		port->usable, port->usable_hint, port->ready, port->terminating, port->connects,
		port->refused);
	write_ago(out, ",\"last_used_seconds\":", view->now, port->last_used);
	fputs_unlocked("}", out);
}

void status_json_services(FILE *out, const struct status_view *view)
{
	fputs("{\"services\":[", out);
	for (size_t i = 0; i < view->ports.len; i++) {
		fputs_unlocked(i ? ",\n" : "\n", out);
		write_port(out, view, &view->ports.items[i]);
	}
	fputs("\n]}\n", out);
}

/* The newest first. */
static void write_history(FILE *out, uint64_t now, const struct health_history *history)
{
	const struct health_event *event;

	fputs_unlocked(",\"history\":[", out);
	for (size_t age = 0; (event = health_history_get(history, age)); age++) {
		fprintf(out, "%s{\"verdict\":\"%s\",\"count\":%" PRIu32, age ? "," : "",
			health_verdict_to_str(event->verdict), event->count);
		write_string(out, ",\"detail\":", event->detail);
		write_ago(out, ",\"last_seconds\":", now, event->last);
		fputs_unlocked("}", out);
	}
	fputs_unlocked("]", out);
}

/* The evidence; "probe" is null for a backend that health does not know. */
static void write_probe(FILE *out, uint64_t now, const struct status_backend *backend)
{
	const struct health_view *probe = &backend->probe;
	char outlook[OUTLOOK_SIZE];

	if (!backend->known) {
		fputs_unlocked(",\"probe\":null", out);
		return;
	}
	fprintf(out, ",\"probe\":{\"state\":\"%s\"", health_state_to_str(probe->state));
	write_string(out, ",\"detail\":", probe->detail);
	write_ago(out, ",\"since_seconds\":", now, probe->since);
	write_ago(out, ",\"last_seconds\":", now, probe->last_probe);
	fputs_unlocked(",\"latency_seconds\":", out);
	if (probe->last_probe)
		json_text_seconds(out, probe->latency);
	else
		fputs_unlocked("null", out);
	fprintf(out, ",\"count\":%" PRIu64 ",\"failures\":%" PRIu64 ",\"discarded\":%" PRIu64,
		probe->probes, probe->failures, probe->discarded);
	write_string(out, ",\"next\":", health_outlook_to_str(&probe->outlook, now, outlook));
	write_history(out, now, probe->history);
	fputs_unlocked("}", out);
}

static void write_backend(FILE *out, uint64_t now, const struct status_port *port,
			  const struct status_backend *backend)
{
	char address[ADDR_PORT_STR_SIZE];

	write_string(out, "{\"service\":", port->name);
	fprintf(out, ",\"index\":%" PRIu32 ",\"address\":\"%s\"", backend->index,
		addr_port_to_str(&backend->addr, backend->port, address));
	write_string(out, ",\"pod\":", backend->pod);
	fprintf(out, ",\"health\":\"%s\",\"terminating\":%s,\"connects\":%" PRIu64,
		kernel_health_to_str(backend->health), bool_text(backend->terminating),
		backend->connects);
	write_probe(out, now, backend);
	fputs_unlocked("}", out);
}

void status_json_backends(FILE *out, const struct status_view *view)
{
	const char *separator = "\n";

	fputs("{\"backends\":[", out);
	vec_foreach(&view->ports, port) {
		for (size_t i = 0; i < port->backends; i++) {
			fputs_unlocked(separator, out);
			write_backend(out, view->now, port,
				      &view->backends.items[port->first_backend + i]);
			separator = ",\n";
		}
	}
	fputs("\n]}\n", out);
}

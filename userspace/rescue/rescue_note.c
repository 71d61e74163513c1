/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/rescue_note.h"

#include "base/duration.h"
#include "base/log.h"
#include "datapath/dp_rescue.h"
#include "loop/loop.h"
#include "rescue/client_peer.h"

#include <stdio.h>
#include <string.h>

static enum rescue_cause cause_of(const struct sw_rescue *record)
{
	switch (record->failure) {
	case SW_FAILURE_STATUS:
		return RESCUE_STATUS;
	case SW_FAILURE_REFUSED:
		return RESCUE_REFUSED;
	case SW_FAILURE_TIMEOUT:
		return RESCUE_TIMEOUT;
	default:
		return RESCUE_RESET;
	}
}

struct rescue_note rescue_note_of(const struct rescue_env *env, const struct sw_rescue *record,
				  const struct client_peer *client)
{
	const struct sw_service *service = dp_rescue_service(env->datapath, record->service);
	const struct sock_name *socket = &client->socket;
	struct rescue_note note = {.cause = cause_of(record),
				   .client = socket->local,
				   .client_port = socket->local_port,
				   .failed = socket->peer,
				   .failed_port = socket->peer_port};

	snprintf(note.service, sizeof(note.service), "%.*s", (int)sizeof(service->name) - 1,
		 service->name);
	return note;
}

void rescue_note_other(struct rescue_note *note, const struct sw_backend *backend)
{
	memcpy(note->other.bytes, backend->addr.bytes, sizeof(note->other.bytes));
	note->other_port = backend->port;
}

void rescue_note_request(struct rescue_note *note, const char *request, size_t len)
{
	size_t used = 0;

	while (used < len && used < RESCUE_LINE_SIZE - 1 && request[used] >= ' ' &&
	       request[used] <= '~' && request[used] != '?') {
		note->request[used] = request[used];
		used++;
	}
	note->request[used] = '\0';
}

static void log_note(const struct rescue_note *note)
{
	char client[ADDR_PORT_STR_SIZE], failed[ADDR_PORT_STR_SIZE], other[ADDR_PORT_STR_SIZE];
	char took[DURATION_STR_SIZE];

	if (!log_enabled(LOG_DEBUG))
		return;
	log_debug("rescue of \"%s\" of \"%s\" from %s after %s at %s: %s, by %s after %s",
		  note->request, note->service,
		  addr_port_to_str(&note->client, note->client_port, client),
		  rescue_cause_to_str(note->cause),
		  addr_port_to_str(&note->failed, note->failed_port, failed),
		  rescue_outcome_to_str(note->outcome),
		  note->other_port ? addr_port_to_str(&note->other, note->other_port, other)
				   : "none",
		  duration_to_str(note->took, took));
}

void rescue_note_end(struct rescue_note *note, struct rescue_env *env, enum rescue_outcome outcome)
{
	note->outcome = outcome;
	note->ended = loop_now(env->loop);
	rescue_env_note(env, note);
	log_note(note);
}

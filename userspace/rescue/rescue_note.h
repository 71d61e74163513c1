/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a rescue that has ended: to the log, and to who asks for metrics. */
#pragma once

#include "rescue/rescue_env.h"
#include "swerve_rescue.h"

struct client_peer;
struct sw_backend;

/* Who failed, and how; nothing of the outcome yet. */
struct rescue_note rescue_note_of(const struct rescue_env *env, const struct sw_rescue *record,
				  const struct client_peer *client);

/* The backend that is tried in place of the one that failed. */
void rescue_note_other(struct rescue_note *note, const struct sw_backend *backend);

/* The first line of the request, as far as it is printable, up to its query: that may be secret. */
void rescue_note_request(struct rescue_note *note, const char *request, size_t len);

/* Puts the outcome in, and tells it. */
void rescue_note_end(struct rescue_note *note, struct rescue_env *env, enum rescue_outcome outcome);

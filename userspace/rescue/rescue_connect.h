/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A refused connection. Another backend is connected to; then the client's connection is accepted in
 * the name of the one that refused it, so that the client sends its request, and the connection to the
 * other waits for it. When all refuse, the client sees what it would have seen.
 */
#pragma once

#include "rescue/rescue_attempts.h"
#include "swerve_rescue.h"

#include <stdbool.h>
#include <stdint.h>

struct rescue_env;

/* SW_RESCUE_CONNECT. */
void rescue_connect_report(struct rescue_env *env, const struct sw_rescue *record);

/* SW_RESCUE_PROGRESS: what accepts the client's connection has come through to it. */
void rescue_connect_progress(struct rescue_env *env, const struct sw_rescue *record);

/* The connection to another backend. */
struct rescue_connected {
	int fd;                          /* the taker's, non-blocking */
	struct sw_backend backend;       /* whose it is */
	struct rescue_attempts attempts; /* so far, with this one */
};

/*
 * Takes the connection that waits for the request of that record, and the place in the budget that it
 * has. Returns whether there is one.
 */
bool rescue_connect_take(struct rescue_env *env, const struct sw_rescue *record,
			 struct rescue_connected *ret);

/* Closes all; clients that were not accepted yet see the refusal. */
void rescue_connect_end_all(struct rescue_env *env);

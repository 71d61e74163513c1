/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a connection that is used again and again, while no request is under way: the client's
 * next request may be crossing it. So it is held for some milliseconds: a request that comes is
 * replayed, else the client sees the end. Only if the last response was whole: otherwise the client
 * waits for that very end.
 */
#pragma once

#include "swerve_rescue.h"

#include <stdbool.h>
#include <stddef.h>

struct rescue_env;

/* SW_RESCUE_IDLE. */
void rescue_idle_report(struct rescue_env *env, const struct sw_rescue *record, size_t size);

/* Lets all ends through. */
void rescue_idle_end_all(struct rescue_env *env);

/* Whether a response that begins with those bytes was whole, and does not end the connection. Pure. */
bool rescue_idle_is_whole(const struct sw_rescue *record, const char *head);

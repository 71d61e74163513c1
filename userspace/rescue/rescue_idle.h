/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a connection on which nothing is under way, but that may be used again: the client's next
 * request may be crossing it. So it is held for a while, longer if more speaks for the end of the pod: a
 * request that comes is replayed, else the client sees the end. Not if the client waits for that very end:
 * the last response was not whole, or was the last one by what request or response say. Nor if it has sent
 * anything that could not be replayed: it may look for the end before it sends that again, and lose it if it
 * sees none.
 */
#pragma once

#include "swerve_rescue.h"

struct rescue_env;

/* SW_RESCUE_IDLE. */
void rescue_idle_report(struct rescue_env *env, const struct sw_rescue *record);

/* Lets all ends through. */
void rescue_idle_end_all(struct rescue_env *env);

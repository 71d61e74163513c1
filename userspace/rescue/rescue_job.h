/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One failed request, from the kernel's report to the last byte of another response.
 *
 * A job ends in one of three ways: the client has acknowledged all of another response; what was
 * held back is let through; or there is no client any more. It frees itself then.
 */
#pragma once

#include "swerve_rescue.h"

struct rescue_env;
struct rescue_job; /* opaque */

/* SW_RESCUE_REQUEST: begins a job, or gives one more of its request. */
void rescue_job_report(struct rescue_env *env, const struct sw_rescue *record);

/* SW_RESCUE_PROGRESS. */
void rescue_job_progress(struct rescue_env *env, const struct sw_rescue *record);

/* SW_RESCUE_OVER: nothing of another response has reached the client, and nothing will. */
void rescue_job_over(struct rescue_env *env, const struct sw_rescue *record);

/* Lets everything through that is held back. */
void rescue_job_end_all(struct rescue_env *env);

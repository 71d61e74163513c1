/* SPDX-License-Identifier: Apache-2.0 */
/* Health as the kernel is told of it: from the states of health_fsm to enum sw_health. Pure. */
#pragma once

#include "health/health_fsm.h"
#include "swerve_abi.h"

/* What is recovering is still out. `verdict` is the last one; it tells refused from down. */
enum sw_health kernel_health(enum health_state state, enum health_verdict verdict);

/* The other way round: with what the daemon before this one knew, a backend begins. */
enum health_state kernel_health_state(enum sw_health health);

/* Whether connections go there as long as there are such backends. */
bool kernel_health_is_usable(enum sw_health health);

enum { KERNEL_HEALTH_COUNT = SW_HEALTH_REFUSED + 1 };

/* "free", "unknown", "up", "suspect", "down", "refused"; "invalid" for any other number. */
const char *kernel_health_to_str(enum sw_health health);

/* Returns 0, or -EINVAL with *ret untouched. */
int kernel_health_from_str(const char *text, enum sw_health *ret);

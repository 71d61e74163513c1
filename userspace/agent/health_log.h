/* SPDX-License-Identifier: Apache-2.0 */
/* What the log says of a backend whose health has changed. */
#pragma once

#include "swerve_abi.h"

struct backend_info;
struct health_change;

/*
 * `health` is what the kernel is told. An operator reads of backends that go out and come back; the
 * rest is for debugging.
 */
void health_log_change(const struct backend_info *info, const struct health_change *change,
		       enum sw_health health);

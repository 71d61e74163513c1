/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps a request from being replayed. Pure. */
#pragma once

#include "rescue/http_request.h"
#include "swerve_rescue.h"

/* Of a request that is there, and will never be whole and fit. */
enum sw_obstacle rescue_obstacle_of(enum http_request_verdict verdict);

/* "method", "too-long", … */
const char *rescue_obstacle_to_str(enum sw_obstacle obstacle);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers of the status API. Pure. Written as text in one pass: a tree of values for ten
 * thousand services would hold up the loop, and with it the probes.
 */
#pragma once

#include "status/status_view.h"

#include <stdio.h>

void status_json_health(FILE *out, const struct status_progress *progress, uint64_t now);
void status_json_status(FILE *out, const struct status_view *view);
void status_json_services(FILE *out, const struct status_view *view);
void status_json_backends(FILE *out, const struct status_view *view);

/* SPDX-License-Identifier: Apache-2.0 */
/* What came of rescues, as text for Prometheus and for the status API. Pure. */
#pragma once

#include "rescue/rescue.h"

#include <stdint.h>
#include <stdio.h>

/* Prometheus' text format 0.0.4. */
void rescue_report_metrics(FILE *out, const struct rescue_view *view);

/* JSON: counters, and the last RESCUE_RECENT rescues, newest first. */
void rescue_report_json(FILE *out, const struct rescue_view *view, uint64_t now);

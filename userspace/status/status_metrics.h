/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus' text format 0.0.4. Pure. */
#pragma once

#include <stdio.h>

struct status_view;

void status_metrics_write(FILE *out, const struct status_view *view);

/* SPDX-License-Identifier: Apache-2.0 */
/* What swervectl prints: one function per verb, on a view and the format of the options. */
#pragma once

#include <stdio.h>

struct ctl_options;
struct ctl_view;

/* Each prints and returns 0 or -ENOMEM. */
int ctl_services(const struct ctl_view *view, const struct ctl_options *options, FILE *out);
int ctl_backends(const struct ctl_view *view, const struct ctl_options *options, FILE *out);
int ctl_status(const struct ctl_view *view, const struct ctl_options *options, FILE *out);

/* SPDX-License-Identifier: Apache-2.0 */
/* What the JSON of all verbs has in common. */
#pragma once

#include <jansson.h>
#include <stdio.h>

struct ctl_difference;
struct ctl_service;
struct ctl_view;

/* A new object that says which sides there are. The caller owns it; NULL: no memory. */
json_t *ctl_json_new(const struct ctl_view *view);

/* Seconds, null if negative. New. */
json_t *ctl_json_seconds(double seconds);

/* The differences from `first` on, as objects. New; NULL: no memory. */
json_t *ctl_json_differences(const struct ctl_difference *first, size_t count);

/* Prints `root` with a new line, and takes it. NULL stands for no memory. Returns 0 or -ENOMEM. */
int ctl_json_print(json_t *root, FILE *out);

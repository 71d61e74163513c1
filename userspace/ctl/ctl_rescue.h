/* SPDX-License-Identifier: Apache-2.0 */
/* swervectl rescue: which failed requests the daemon has replayed. The kernel keeps none of it. */
#pragma once

#include <stddef.h>
#include <stdio.h>

struct ctl_options;

/*
 * Prints the daemon's answer at /v1/rescue. Returns 0, -ENOMEM, or -EBADMSG with a text in `error`
 * for what is no such answer.
 */
int ctl_rescue(const char *json, const struct ctl_options *options, FILE *out, char *error,
	       size_t error_size);

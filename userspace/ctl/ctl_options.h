/* SPDX-License-Identifier: Apache-2.0 */
/* Command line and environment of swervectl. Pure: argv and a look-up in, values out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum ctl_verb { CTL_SERVICES, CTL_BACKENDS, CTL_STATUS, CTL_RESCUE, CTL_VERB_COUNT };
enum ctl_format { CTL_TABLE, CTL_WIDE, CTL_JSON, CTL_FORMAT_COUNT };

struct ctl_options {
	enum ctl_verb verb;
	enum ctl_format format;
	const char *filter; /* NULL: everything */
	const char *pin_dir;
	const char *status_address; /* "" to ask no daemon */
	bool help;
	bool version;
};

/*
 * Parses argv; what it does not name comes from the environment (SWERVE_PIN_DIR,
 * SWERVE_STATUS_ADDRESS), then from the defaults. The strings are borrowed. Returns 0, or -EINVAL
 * with a sentence in error; then *ret is untouched.
 */
int ctl_options_parse(int argc, char *const argv[], char *(*env)(const char *name),
		      struct ctl_options *ret, char *error, size_t error_size);

/* The text of --help. */
extern const char ctl_options_help[];

/* Whether a text passes the filter: a shell pattern if it has one of *?[, else a part of it. */
bool ctl_options_match(const struct ctl_options *options, const char *text);

/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the daemon and reads the pinned maps. Changes nothing. */
#pragma once

#include "ctl/ctl_view.h"

struct ctl_options;

enum { CTL_PROBLEM_SIZE = 256 };

/* Not to be copied: the view points into it. */
struct ctl_look {
	struct dp_snapshot snapshot;
	struct ctl_belief belief;
	struct ctl_view view;                  /* of what of the two could be had */
	char kernel_problem[CTL_PROBLEM_SIZE]; /* "" if there is none; else why not */
	char daemon_problem[CTL_PROBLEM_SIZE];
};

/*
 * Looks at both sides. As they are not read in one moment, it looks again, up to three times in
 * all, while they differ. On success the caller owns *ret; then perhaps one side is missing, or
 * both. Returns 0 or -ENOMEM.
 */
int ctl_look(const struct ctl_options *options, struct ctl_look *ret);

/*
 * Asks the daemon for one page of its status API. Returns 0 and the text, which the caller frees, or
 * -errno with a sentence in `problem`, which has room for CTL_PROBLEM_SIZE.
 */
int ctl_look_fetch(const char *address, const char *path, char **ret, char *problem);

void ctl_look_done(struct ctl_look *look);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF object: configure, load, pin its maps, attach its programs. The only user of the
 * skeleton. What it installs goes on serving when the daemon is gone.
 */
#pragma once

#include "datapath/dp_problem.h"

struct dp_install {
	const char *cgroup;  /* path of a cgroup2 directory: the sockets below it are served */
	const char *pin_dir; /* open and locked, see dp_pin_dir_open() */
};

enum { DP_HOOKS = 8 };

/*
 * The links, held as long as the daemon lives: if somebody removes the pins, what serves goes on
 * serving. -1: none.
 */
struct dp_links {
	int fds[DP_HOOKS];
};

void dp_links_init(struct dp_links *links);
void dp_links_close(struct dp_links *links);

/*
 * Installs this daemon's programs. Maps that are pinned already are used on as they are; links
 * that are pinned get the new programs in place, so that there is no moment without one. On
 * failure what was installed before goes on serving, and nothing new is left. Returns 0 or -errno;
 * then *problem says what to do.
 */
int dp_object_install(const struct dp_install *install, struct dp_links *ret,
		      struct dp_problem *problem);

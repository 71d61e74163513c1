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

/*
 * Installs this daemon's programs. Maps that are pinned already are used on as they are; links
 * that are pinned get the new programs in place, so that there is no moment without one. On
 * failure what was installed before goes on serving. Returns 0 or -errno; then *problem says what
 * to do.
 */
int dp_object_install(const struct dp_install *install, struct dp_problem *problem);

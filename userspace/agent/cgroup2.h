/* SPDX-License-Identifier: Apache-2.0 */
/* Where the cgroup2 hierarchy is mounted: /sys/fs/cgroup, or …/unified on hybrid systems. */
#pragma once

#include <stddef.h>

/*
 * Finds the first cgroup2 mount in the text of /proc/self/mountinfo (proc(5)), with octal escapes
 * undone. Returns 0, -ENOENT if there is none, -ENAMETOOLONG.
 */
int cgroup2_find_mount(const char *mountinfo, char *ret_path, size_t size);

/* The same for this process. Returns also -errno of reading the file. */
int cgroup2_mount(char *ret_path, size_t size);

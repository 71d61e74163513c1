/* SPDX-License-Identifier: Apache-2.0 */
/* Programs on a cgroup by pinned links, which outlive the daemon. */
#pragma once

struct bpf_program;

/*
 * Attaches a program to a cgroup and pins the link at `path`. A link that is pinned there already,
 * and is on that cgroup, gets the program in place: there is no moment without one. Another one is
 * replaced (its cgroup is gone, or it is on another one), after the new one is attached. On success
 * the caller owns *ret_link, a descriptor. Returns 0 or -errno.
 */
int dp_link_attach(const struct bpf_program *program, const char *path, int cgroup_fd,
		   int *ret_link);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the BPF tests run: a network namespace with nothing but loopback, a bpffs of its own, and
 * a cgroup of its own with the test in it. Nothing reaches the machine's network or root cgroup.
 */
#pragma once

#include <stdbool.h>

struct sandbox {
	char dir[64];     /* temporary; bpffs is mounted on it */
	char pin_dir[96]; /* below it, not made yet */
	char cgroup[512];
	char parent[512]; /* of the cgroup */
};

/* Returns NULL, or why tests can not run here (static text). */
const char *sandbox_enter(struct sandbox *sandbox);

/*
 * Puts the process into another network namespace, again with nothing but loopback: a pod's. Returns
 * whether that went well.
 */
bool sandbox_new_network(void);

/* Leaves the cgroup and removes everything. */
void sandbox_leave(struct sandbox *sandbox);

/* Makes another cgroup beside the sandbox's, with nothing in it. */
void sandbox_other_cgroup(const struct sandbox *sandbox, char *ret_path, unsigned int size);

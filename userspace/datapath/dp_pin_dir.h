/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory on bpffs that holds the pinned maps and links. The lock on it says that a daemon
 * is at work; everything in it that begins with "sw_" is ours.
 */
#pragma once

#include "datapath/dp_problem.h"

/*
 * Makes the directory if it is missing, and locks it as long as *ret_lock stays open. Returns 0,
 * -EBUSY if another daemon holds it, -errno; then *problem says what to do.
 */
int dp_pin_dir_open(const char *path, int *ret_lock, struct dp_problem *problem);

/*
 * Removes all pins, and the directory if it is empty then. Links go first, so that nothing new
 * comes in while the maps go. Nothing there is fine. Returns 0, -EBUSY if a daemon is at work
 * there, -errno.
 */
int dp_pin_dir_cleanup(const char *path, struct dp_problem *problem);

/* Removes all pins of a directory that the caller has locked. Returns 0 or -errno. */
int dp_pin_dir_empty(const char *path);

/* Writes "PATH/NAME". Returns 0 or -ENAMETOOLONG. */
int dp_pin_path(const char *dir, const char *name, char *ret, unsigned int size);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A datapath whose programs can be taken off their hooks and put on again, so that one process
 * measures with and without: a hook costs something as soon as anything is attached to it anywhere.
 * Everything here exits the program when it fails.
 */
#pragma once

#include "datapath/datapath.h"

#include <stddef.h>
#include <stdint.h>

enum { HOOKS_MAX = 32 };

enum hooks_variant {
	HOOKS_NONE,    /* nothing is attached */
	HOOKS_TRIVIAL, /* "return 1" at connect4 and getpeername4 */
	HOOKS_SWERVE,  /* all of Swerve's */
};

struct hooks {
	struct datapath *datapath;
	const char *pin_dir;
	int cgroup;
	int programs[HOOKS_MAX];
	int types[HOOKS_MAX]; /* enum bpf_attach_type */
	size_t count;
	int trivial[2];
	int links[HOOKS_MAX]; /* of the variant that is attached */
	size_t attached;
	size_t services; /* published */
};

/* Loads Swerve into pin_dir, for the cgroup, with nothing attached. */
void hooks_open(struct hooks *hooks, const char *pin_dir, const char *cgroup);
void hooks_close(struct hooks *hooks);

void hooks_attach(struct hooks *hooks, enum hooks_variant variant);
void hooks_detach(struct hooks *hooks);

/* 10.96.0.0 + index. */
uint32_t hooks_frontend(size_t index); /* in network order */

/*
 * Makes `count` frontends, port 80, each in front of two endpoints: that IPv4 address and the one
 * after it. Above 30 000 a service has two frontends, as there are at most 32 768 services. What
 * was published before goes.
 */
void hooks_publish(struct hooks *hooks, size_t count, uint8_t proto, const char *address,
		   uint16_t port);

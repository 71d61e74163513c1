/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel saw fail, and did about it at once, is confirmed and made known here: a probe is
 * sent, the slots are regrouped, the log says so in one line.
 */
#pragma once

#include <stdint.h>

struct backend_index;
struct down_conns;
struct datapath;
struct health;
struct loop;
struct sense; /* opaque */

/* Which backends of a service port ("namespace/name:port/proto") may be used is no longer the same. */
typedef void sense_changed_fn(void *arg, const char *service);

struct sense_parts {
	struct loop *loop;
	struct datapath *datapath;
	struct health *health;
	const struct backend_index *backends;
	struct down_conns *conns;
	sense_changed_fn *changed;
	void *arg;
};

/* Borrows all parts. Returns 0 or -errno. */
int sense_new(const struct sense_parts *parts, const char *pin_dir, struct sense **ret);

/* NULL is allowed. */
void sense_free(struct sense *sense);

/* A backend that is ejected already, as before a restart: it is watched until that is over. */
void sense_note(struct sense *sense, uint32_t backend);

struct sense_totals {
	uint64_t ejections;
	uint64_t spared;  /* times that one failed, but too few others were left */
	uint64_t excused; /* times that connections failed for some clients only */
	uint64_t poison;  /* times that the requests were to blame */
	uint64_t doubts;  /* failures that only caused a probe */
};

struct sense_totals sense_totals(const struct sense *sense);

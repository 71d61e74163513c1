/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF object that watches connections (bpf/sense.bpf.c). It is an object of its own, since
 * everything works without it: a kernel without BTF does not take it, and then backends are known
 * by probes alone.
 */
#pragma once

#include "datapath/dp_object.h"

#include <stdbool.h>

struct dp_sense; /* opaque */

/*
 * Loads it, with the maps that are pinned, and attaches the part that sees connections begin and
 * end, and the one that sees UDP datagrams refused. What was attached by a daemon before this one gets the new programs in place. Returns NULL if
 * it can not be, and logs why.
 */
struct dp_sense *dp_sense_install(const struct dp_install *install);

/* What is pinned goes on. NULL is allowed. */
void dp_sense_close(struct dp_sense *sense);

/*
 * Attaches or detaches the part that looks at responses, which costs something for each packet.
 * Idempotent. Logs if it can not be done.
 */
void dp_sense_watch_responses(struct dp_sense *sense, bool on);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects from a JSON file, or from the *.json files of a directory, as
 * `kubectl get services,endpointslices,endpoints,nodes -A -o json` prints them; read again when
 * they change, also when a file is replaced by rename or a ConfigMap's ..data link is switched.
 *
 * Errors are logged with file, object and field. What is broken keeps its last good state: an
 * object that does not decode, a file that does not parse or can not be read, a directory that
 * vanished. An object that is no longer in a readable file is removed, and so are those of a file
 * that is gone from a directory; a single file that vanishes keeps its objects until it is back.
 * Of an object that is in two files, the file whose name sorts first counts.
 *
 * A change is seen when the file is closed, renamed or linked, not while it is being written.
 * Through a symbolic link to another directory it is seen when the link is replaced.
 */
#pragma once

#include "source/source.h"

#include <stdbool.h>

struct file_source; /* opaque */
struct loop;

/*
 * Watches path and reads it once, before it returns: events are delivered from inside the call,
 * later ones from the loop, within 100 ms of a change. Borrows loop, copies *events. Returns 0,
 * or -errno if path does not exist or can not be watched, -EINVAL if it is neither a file nor a
 * directory; a broken file is not an error.
 */
int file_source_new(struct loop *loop, const char *path, const struct source_events *events,
		    struct file_source **ret);
void file_source_free(struct file_source *source);

/*
 * Whether the last reading found everything in order. If not, what was reported is not all that
 * there is: something broken has a last good state only if this source has seen it.
 */
bool file_source_is_whole(const struct file_source *source);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which objects came from which file, so that a new reading of the files reports only what is
 * different. A reading is file_objects_begin(), then for each file in order of its name
 * file_objects_apply() or file_objects_keep(), then file_objects_end(). Logs problems.
 */
#pragma once

#include "source/source.h"

#include <stdbool.h>
#include <stddef.h>

struct file_objects; /* opaque */

/* Copies *events. Returns 0 or -ENOMEM. */
int file_objects_new(const struct source_events *events, struct file_objects **ret);
void file_objects_free(struct file_objects *objects);

void file_objects_begin(struct file_objects *objects);

/*
 * Takes over what is in the text. Of an object that is in several files, the first file counts.
 * Returns 0, also after problems, or -ENOMEM: then the objects of this file stay as they were.
 */
int file_objects_apply(struct file_objects *objects, const char *file, const char *text,
		       size_t size);

/* The objects of this file stay as they are. */
void file_objects_keep(struct file_objects *objects, const char *file);

/* Whether every Service, EndpointSlice, Endpoints and Node of the last reading was usable. */
bool file_objects_are_whole(const struct file_objects *objects);

/* Reports as removed what no file has had since file_objects_begin(). */
void file_objects_end(struct file_objects *objects);

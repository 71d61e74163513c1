/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every source of objects does: it reports the difference to what it has reported before.
 * A source keeps the last good state of what it can not read at the moment.
 */
#pragma once

#include "model/model.h"

struct source_events {
	/* An object is new or has changed. The callee takes what it holds. */
	void (*put)(void *arg, struct object *object);

	/* An object is gone. The names are borrowed for the call. */
	void (*remove)(void *arg, enum object_kind kind, const char *namespace, const char *name);

	/* What has been reported so far is a consistent state; called after every batch. */
	void (*synced)(void *arg);

	void *arg;
};

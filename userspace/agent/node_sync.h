/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the addresses at which NodePorts are reached up to date: in the kernel, and for the servers of
 * healthCheckNodePort.
 */
#pragma once

struct datapath;
struct health_checks;
struct loop;
struct model;
struct node_sync; /* opaque */

/*
 * Watches the addresses of this node; `fn` is called when they have changed, and node_sync_refresh()
 * has something to do. Returns 0 or -errno.
 */
int node_sync_new(struct loop *loop, void (*fn)(void *arg), void *arg, struct node_sync **ret);
void node_sync_free(struct node_sync *sync);

/* Does nothing if nothing has changed. What fails is logged once, and tried again the next time. */
void node_sync_refresh(struct node_sync *sync, const struct model *model, struct datapath *datapath,
		       struct health_checks *checks);

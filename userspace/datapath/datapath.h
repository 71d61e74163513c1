/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side as the rest of the daemon sees it: services go in, backends with a number and a
 * health come out. What was installed before a restart is taken over as it is.
 */
#pragma once

#include "datapath/dp_diff.h"
#include "datapath/dp_nodes.h"
#include "datapath/dp_problem.h"
#include "model/plan.h"
#include "swerve_abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct datapath; /* opaque */

struct datapath_config {
	const char *cgroup;
	const char *pin_dir;
};

/* Installs programs and maps, or takes over what is pinned. Returns 0 or -errno and *problem. */
int datapath_open(const struct datapath_config *config, struct datapath **ret,
		  struct dp_problem *problem);

/* Lets go of everything; what is pinned goes on serving. NULL is allowed. */
void datapath_close(struct datapath *datapath);

/*
 * A backend appeared (also one that was taken over from before a restart) or went; port, the one
 * whose endpoints change->endpoint counts in, is NULL for those that went.
 */
typedef void datapath_change_fn(void *arg, const struct plan_port *port,
				const struct dp_backend_change *change);

struct datapath_result {
	size_t conflicts; /* frontends left out, since another service has them */
	struct sw_frontend_key conflict;
	size_t left_out; /* NodePorts of single other nodes for which a map is too full */
};

/*
 * Makes the kernel serve a Service ("namespace/name") as planned; ports that the plan lacks go, an
 * empty plan removes the service. Calls `fn` for each backend that appeared or went. Returns 0;
 * -ENOSPC if a map is full, -ENOMEM, or -errno of the kernel: then part of the service may be as
 * before, and a later call repairs it.
 */
int datapath_apply(struct datapath *datapath, const char *service, const struct plan *plan,
		   uint64_t now, datapath_change_fn *fn, void *arg, struct datapath_result *ret);

/*
 * Whether a service port ("namespace/name:port/proto") keeps a frontend that another service claims:
 * when the source wants it to have it, and its claim is not the lesser one. Else the frontend is
 * handed over without a gap, in whatever order the two are applied. Who loses what it still wants is
 * to be applied again, to learn of it, and later, to get it back.
 */
typedef bool datapath_keeps_fn(void *arg, const char *port_name, const struct sw_frontend_key *key,
			       enum plan_claim claim);
void datapath_set_keeps(struct datapath *datapath, datapath_keeps_fn *fn, void *arg);

/* Whether a Service is served only because it was before a restart: no plan has named it since. */
bool datapath_is_inherited(const struct datapath *datapath, const char *service);

/* Says that a Service is wanted although it could not be planned: it is not swept. */
void datapath_keep(struct datapath *datapath, const char *service);

/*
 * Removes the service ports that were taken over and that no plan has named since: to be called
 * when the source has delivered everything. Returns how many, or -errno.
 */
int datapath_sweep(struct datapath *datapath, uint64_t now);

/*
 * At which addresses of nodes NodePorts are reached; *want is sorted (dp_nodes_sort_unique()).
 * Returns 0; -E2BIG if there are too many, or -errno: then some changes are made, and the rest with
 * the next call.
 */
int datapath_set_nodes(struct datapath *datapath, const struct dp_nodes *want);

/* One store; takes effect with the next connection. */
void datapath_set_health(struct datapath *datapath, uint32_t backend, enum sw_health health,
			 uint64_t now);

/*
 * The same for a backend that comes back: it is up, and gets its full share of connections only
 * after `warmup` ns; 0: at once.
 */
void datapath_readmit(struct datapath *datapath, uint32_t backend, uint64_t warmup, uint64_t now);
enum sw_health datapath_health(const struct datapath *datapath, uint32_t backend);

/*
 * Until when the kernel keeps a backend out for what its connections showed, ns of CLOCK_MONOTONIC;
 * in the past or 0: it does not.
 */
uint64_t datapath_ejected_until(const struct datapath *datapath, uint32_t backend);

/* Whether it gets half of its share, since some of its responses fail. */
bool datapath_is_lowered(const struct datapath *datapath, uint32_t backend);

/*
 * Ends the ejection of a backend for connections that were not made, and until `excused` (ns of
 * CLOCK_MONOTONIC) such ones only make it probed.
 */
void datapath_excuse(struct datapath *datapath, uint32_t backend, uint64_t excused, uint64_t now);

/* Which of the endpoints that had this number it is, see struct sw_event. */
uint32_t datapath_generation(const struct datapath *datapath, uint32_t backend);

/* The counters of a backend, as BPF keeps them. Borrowed. */
const struct sw_backend_load *datapath_load(const struct datapath *datapath, uint32_t backend);

/* Says that the daemon is alive, and frees what has waited long enough. Once a second. */
void datapath_heartbeat(struct datapath *datapath, uint64_t now);

/* The map sw_sockets, for sock_diag. Borrowed. */
int datapath_sockets_fd(const struct datapath *datapath);

/*
 * What sw_sockets has for a socket that this process has open. From any thread. Returns 0, -ENOENT,
 * -errno.
 */
int datapath_read_socket(const struct datapath *datapath, int fd, struct sw_socket *ret);

/* Connections sent to a backend so far. */
uint64_t datapath_connects(const struct datapath *datapath, uint32_t backend);

/* The counters of a service port, as BPF keeps them. Borrowed. */
const struct sw_service *datapath_service(const struct datapath *datapath, uint32_t service);

/*
 * When the service of a backend was last used (ns of CLOCK_MONOTONIC, 0: never), as BPF keeps it.
 * Borrowed until the datapath is closed; another service's once this one is gone.
 */
const uint64_t *datapath_last_used(const struct datapath *datapath, uint32_t backend);

/* The same for when an application last had an answer from it. */
const uint64_t *datapath_last_success(const struct datapath *datapath, uint32_t backend);

/* The same for answers whose status was looked at, and is none of a failure. */
const uint64_t *datapath_last_good(const struct datapath *datapath, uint32_t backend);

const struct dp_table *datapath_table(const struct datapath *datapath);

/* How many ranges sw_sources has, of SW_MAX_SOURCES. */
size_t datapath_sources(const struct datapath *datapath);

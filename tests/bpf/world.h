/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A datapath in the sandbox, servers on loopback addresses as its backends, and clients. Functions
 * fail the running cmocka test.
 */
#pragma once

#include "bpf/sandbox.h"
#include "datapath/datapath.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { WORLD_SERVERS = 16, WORLD_SERVICES = 16 };

struct world {
	struct datapath *datapath;
	uint32_t backends[WORLD_SERVERS]; /* by server; for the service it was published for last */
	int servers[WORLD_SERVERS];       /* -1: none */
	uint16_t ports[WORLD_SERVERS];
	char published[WORLD_SERVICES][64]; /* services, by name */
	size_t published_count;
};

/* A service port with the servers `first` to `first + count - 1`, which are at `address`. */
struct world_service {
	const char *name;     /* "default/web" */
	const char *frontend; /* port 80 */
	uint8_t proto;
	const char *address;
	size_t first;
	size_t count;
	size_t terminating; /* the last ones */
	uint32_t affinity_timeout;
	struct steer_policy steer;
	const char *source_range; /* who may use the frontend, "10.0.0.0/8"; NULL: everybody */
	uint32_t retry_on; /* enum retry_failure; all else of the retry policy is the default */
	uint64_t retry_timeout;   /* ns; 0: the default */
	uint64_t request_timeout; /* ns; 0: none */
};

extern struct sandbox sandbox;    /* of this program */
extern struct dp_problem problem; /* of the call that failed last */
extern bool world_has_set_retval; /* the kernel has bpf_set_retval() */

/* Runs the tests in a sandbox; returns main()'s status: 77 if they can not run here. */
int world_run(int (*run)(void));

/*
 * Test fixtures of cmocka: *state is a struct world. Tests share a datapath, since under emulation the
 * verifier takes ten seconds for it; they find it empty. What closes it, or does more to it than
 * world_publish(), needs one of its own.
 */
int world_setup(void **state);
int world_teardown(void **state);
int world_setup_own(void **state);
int world_teardown_own(void **state);

struct datapath_config world_config(void);
struct datapath *world_open_datapath(void);

/* A server; returns its port. */
uint16_t world_serve(struct world *world, int server, const char *address, int type);

/* Closes a server. */
void world_shut(struct world *world, int server);

void world_publish(struct world *world, const struct world_service *service);

/* What connections have shown of a server, as the backend that it was published as last. */
const struct sw_backend_load *world_load(const struct world *world, int server);
bool world_is_ejected(const struct world *world, int server);

/* Closes a TCP socket with a reset. */
void world_reset(int fd);

/* "10.96.0.10" or "::1" and a port as what the system calls take; returns its size. */
socklen_t world_sockaddr(int family, const char *address, uint16_t port,
			 struct sockaddr_storage *ret);

/* "10.96.0.10 80". */
void world_name(const struct sockaddr_storage *sa, char *ret, size_t size);

/* Connects a socket of the family; returns it, or -errno. */
int world_dial(int family, int type, const char *address, uint16_t port);

/* The peer as the application sees it, "address port". */
void world_assert_peer(int fd, const char *expected);

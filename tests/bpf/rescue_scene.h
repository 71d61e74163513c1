/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service with two servers, a client, and rescue between them. Functions fail the running cmocka
 * test; nothing of the network is waited for longer than 20 s.
 */
#pragma once

#include "bpf/world.h"
#include "rescue/rescue_stats.h"
#include "rescue/rescue_worker.h"

#include <stdbool.h>
#include <stdint.h>

#define GET     "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx"
#define PUT     "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx"
#define OK      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
#define ERR     "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nERR"
#define RESCUED "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"

enum { SERVERS = 2 };

/* What one test works with. */
struct scene {
	struct world *world;
	struct rescue_worker *worker;
	struct rescue_results results;
	int client;
	int first; /* the connection that the client made */
};

extern struct world_service service; /* what make_scene() publishes */

/* *state is a struct world. The worker runs. */
struct scene make_scene(void **state, const char *frontend, const char *address, uint32_t retry_on);
void end_scene(struct scene *scene);

void limit_waiting(int fd);

/* The next connection that any server gets. */
int accept_any(const struct world *world);
bool nobody_comes(const struct world *world);

/* Connects the client. */
void dial(struct scene *scene);

void say(int fd, const char *text);
void hear(int fd, const char *text);
void hear_end(int fd);
void hear_reset(int fd);
void close_with_reset(int *fd);

/* Connects the client, which is a socket, to the IPv4 service: its request fails, and is not replayed. */
void expect_left_alone(struct scene *scene);

/* The client's request reaches a server, which is left to fail. */
void ask(struct scene *scene, const char *request);

/* The worker brings the request to the other server, which answers; so the client hears it. */
void expect_rescue(struct scene *scene, const char *request);

/* The programs without the worker. */
struct dp_rescue *replace_worker(struct scene *scene);

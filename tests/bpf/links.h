/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to the Service web of which a test has both sides. Functions fail the running cmocka
 * test.
 */
#pragma once

#include "bpf/world.h"

#include <stddef.h>

/* A response that counts as success, and one that counts as failure. */
extern const char link_good[], link_bad[];

/* A connection as both sides have it. */
struct link {
	int client;
	int server;
};

/* The Service web with servers 0 … count - 1 on one address, that ejects after three 5xx. */
void links_publish_on(struct world *world, const char *frontend, const char *address, size_t count);

/* The same at 10.96.0.10. */
void links_publish(struct world *world, size_t count);

/* Ends connections that wait for a server, so that no queue is ever full. */
void links_drop_pending(const struct world *world);

/* Connects until the choice falls on that server. */
struct link link_to(const struct world *world, int server, int family, const char *address);

/* The same at 10.96.0.10. */
struct link link_web(const struct world *world, int server);

/* Sends, and receives what was sent: on loopback it is there, and the kernel has looked at it. */
void link_put(int fd, const char *text);
void link_take(int fd, const char *text);

/* A request and its response. */
void link_respond(const struct link *link, const char *response);

void link_end(const struct link *link);

/* A connection of its own for a response. */
void link_answer_once(const struct world *world, int server, const char *response);

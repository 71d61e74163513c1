/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request on its way to one other backend, and the response on its way back, from the client's
 * own network namespace and address, so that the backend sees the same client. Non-blocking, on the loop.
 */
#pragma once

#include "base/addr.h"
#include "loop/loop.h"
#include "rescue/http_response.h"

struct client_peer;
struct replay;

enum { REPLAY_READ_MAX = 65536 };

enum replay_event {
	REPLAY_PROGRESS, /* more of the response was fed */
	REPLAY_WHOLE,    /* it is complete */
	REPLAY_FAILED,   /* connection or protocol; replay->error has the errno, 0: it just ended */
};

/* May free the replay's owner: nothing is touched after it. */
typedef void replay_fn(struct replay *replay, enum replay_event event);

struct replay {
	struct loop_io io;
	struct loop *loop;
	replay_fn *fn;
	const struct bytes *request; /* borrowed */
	size_t sent;
	size_t read_max; /* bytes at a time; the owner may change it */
	bool connected;
	bool paused;
	struct http_response response; /* its `status` and `state` are for the owner to look at */
	struct bytes out;              /* for the client; the owner takes it */
	int error;                     /* negative errno of REPLAY_FAILED */
};

/* Sets an unused replay up. */
void replay_init(struct replay *replay, struct loop *loop, replay_fn *fn);

/*
 * Begins to connect from a client's namespace and address. Returns a non-blocking socket, which becomes
 * writable when that is over, or -errno.
 */
int replay_dial(const struct client_peer *client, const struct addr *addr, uint16_t port);

/* How that ended: 0 or -errno. */
int replay_dialed(int fd);

/* Begins. `request` must stay until the end. Returns 0 or -errno. */
int replay_start(struct replay *replay, const struct client_peer *client, const struct addr *addr,
		 uint16_t port, const struct bytes *request, bool is_head);

/* The same on a connection that replay_dial() made, which is the replay's from now on, even on failure. */
int replay_start_on(struct replay *replay, int fd, const struct bytes *request, bool is_head);

/* Reads no more for now, or again: the client is slower than the backend. */
void replay_pause(struct replay *replay, bool pause);

/* Closes and frees; it can be started again. Idempotent. */
void replay_stop(struct replay *replay);

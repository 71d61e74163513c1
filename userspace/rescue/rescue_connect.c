/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/rescue_connect.h"

#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "datapath/dp_rescue.h"
#include "loop/loop.h"
#include "rescue/client_peer.h"
#include "rescue/replay.h"
#include "rescue/rescue_env.h"
#include "rescue/rescue_note.h"
#include "rescue/tcp_segment.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

struct refused {
	struct rescue_env *env;
	struct sw_rescue record;
	struct client_peer client;
	struct rescue_note note;
	struct rescue_attempts attempts;
	struct sw_backend backend; /* that is tried now */
	struct loop_io io;         /* the connection to it */
	struct loop_timer timer;
	uint64_t deadline;
	uint64_t attempt; /* ns that a backend has to accept */
	bool accepted;    /* in the name of the backend that refused it */
	bool told;        /* that has come through to the client */
};

static void hang_up(struct refused *refused)
{
	loop_io_del(&refused->io);
	cleanup_close(&refused->io.fd);
	refused->io.fd = -1;
}

static void free_refused(struct refused *refused)
{
	loop_timer_cancel(&refused->timer);
	hang_up(refused);
	hashmap_remove(refused->env->refused, &refused->record.cookie,
		       sizeof(refused->record.cookie));
	client_peer_done(&refused->client);
	free(refused);
}

static void refuse(struct rescue_env *env, const struct client_peer *client,
		   const struct sw_rescue *record)
{
	client_peer_send(client, SW_ORDER_RELEASE, SEGMENT_RST | SEGMENT_ACK, 0, record->ack, NULL,
			 0);
	/* Should that not get there: with the next SYN. */
	dp_rescue_let_go(env->datapath, record);
}

/* The client sees the refusal. */
static void give_up(struct refused *refused, enum rescue_outcome outcome)
{
	refuse(refused->env, &refused->client, &refused->record);
	rescue_note_end(&refused->note, refused->env, outcome);
	rescue_env_end_replay(refused->env, refused->record.service);
	free_refused(refused);
}

static void next_attempt(struct refused *refused)
{
	uint64_t now = loop_now(refused->env->loop), limit = now + refused->attempt;
	int err = -ETIME;

	hang_up(refused);
	while (now < refused->deadline &&
	       !(err = rescue_attempts_next(&refused->attempts, refused->env, &refused->record,
					    &refused->backend))) {
		rescue_note_other(&refused->note, &refused->backend);
		refused->io.fd = replay_dial(&refused->client, &refused->note.other,
					     refused->note.other_port);
		if (refused->io.fd >= 0 &&
		    !loop_io_add(refused->env->loop, &refused->io, EPOLLOUT)) {
			/* Armed before, so there is memory for it. */
			(void)loop_timer_arm(refused->env->loop, &refused->timer,
					     limit < refused->deadline ? limit : refused->deadline);
			return;
		}
		hang_up(refused);
	}
	give_up(refused, rescue_attempts_outcome(err));
}

/* The client's request goes to the backend that is connected now. */
static void accept_client(struct refused *refused)
{
	uint32_t first;

	if (getrandom(&first, sizeof(first), GRND_INSECURE) != sizeof(first)) {
		give_up(refused, RESCUE_ERROR);
		return;
	}
	refused->accepted = true;
	client_peer_send(&refused->client, SW_ORDER_ANSWER, SEGMENT_SYN | SEGMENT_ACK, first,
			 refused->record.ack, NULL, 0);
	(void)loop_io_mod(&refused->io, EPOLLIN);
	(void)loop_timer_arm(refused->env->loop, &refused->timer, refused->deadline);
}

/* The request may still come: it is replayed then like any other. */
static void stop_waiting(struct refused *refused)
{
	rescue_env_end_replay(refused->env, refused->record.service);
	free_refused(refused);
}

/* Its kernel refuses it when the SYN is sent again. */
static void lose_client(struct refused *refused)
{
	log_debug("a client could not be told that its connection is accepted: a firewall in its "
		  "network namespace may drop what comes from the loopback device");
	rescue_note_end(&refused->note, refused->env, RESCUE_CLIENT_GONE);
	stop_waiting(refused);
}

static void on_io(struct loop_io *io, uint32_t events)
{
	struct refused *refused = container_of(io, struct refused, io);

	(void)events;
	if (refused->accepted)
		stop_waiting(refused);
	else if (replay_dialed(io->fd))
		next_attempt(refused);
	else
		accept_client(refused);
}

static void on_timer(struct loop_timer *timer, uint64_t now)
{
	struct refused *refused = container_of(timer, struct refused, timer);

	(void)now;
	if (!refused->accepted)
		next_attempt(refused);
	else if (refused->told)
		stop_waiting(refused);
	else
		lose_client(refused);
}

/* Takes the client's reference over. */
static struct refused *make_refused(struct rescue_env *env, const struct sw_rescue *record,
				    struct client_peer *client)
{
	uint64_t timeout = dp_rescue_service(env->datapath, record->service)->policy.retry_timeout;
	struct refused *refused = calloc(1, sizeof(*refused));

	if (!refused)
		return NULL;
	timeout *= NSEC_PER_MSEC;
	*refused = (struct refused){.env = env,
				    .record = *record,
				    .client = *client,
				    .note = rescue_note_of(env, record, client),
				    .attempts = rescue_attempts_after(record),
				    .io = {.fn = on_io, .fd = -1},
				    .timer = {.fn = on_timer},
				    .deadline = loop_now(env->loop) + timeout,
				    .attempt = timeout / 4};
	client->netns = NULL;
	if (hashmap_put(env->refused, &record->cookie, sizeof(record->cookie), refused) ||
	    loop_timer_arm(env->loop, &refused->timer, refused->deadline)) {
		*client = refused->client;
		refused->client.netns = NULL;
		free_refused(refused);
		return NULL;
	}
	return refused;
}

/* An earlier connection of that socket. */
static void forget(struct rescue_env *env, uint64_t cookie)
{
	struct refused *refused = hashmap_get(env->refused, &cookie, sizeof(cookie));

	if (refused)
		stop_waiting(refused);
}

void rescue_connect_report(struct rescue_env *env, const struct sw_rescue *record)
{
	struct client_peer client = client_peer_of(record);
	struct rescue_note note = rescue_note_of(env, record, &client);
	struct refused *refused = NULL;

	forget(env, record->cookie);
	if (client_peer_find(&client, env->netns, loop_now(env->loop))) {
		refuse(env, &client, record);
		rescue_note_end(&note, env, RESCUE_CLIENT_GONE);
	} else if (!rescue_env_begin_replay(env, record->service)) {
		refuse(env, &client, record);
		rescue_note_end(&note, env, RESCUE_NO_BUDGET);
	} else if (!(refused = make_refused(env, record, &client))) {
		log_error("out of memory: a refused connection stays refused");
		refuse(env, &client, record);
		rescue_env_end_replay(env, record->service);
	} else {
		next_attempt(refused);
	}
	client_peer_done(&client);
}

void rescue_connect_progress(struct rescue_env *env, const struct sw_rescue *record)
{
	struct refused *refused =
		hashmap_get(env->refused, &record->cookie, sizeof(record->cookie));

	if (refused && refused->record.since == record->since)
		refused->told = true;
}

/* The socket may have connected anew since. */
static bool is_of(const struct refused *refused, const struct sw_rescue *record)
{
	return refused->record.client_port == record->client_port &&
	       refused->record.backend == record->backend &&
	       refused->record.service == record->service;
}

bool rescue_connect_take(struct rescue_env *env, const struct sw_rescue *record,
			 struct rescue_connected *ret)
{
	struct refused *refused =
		hashmap_get(env->refused, &record->cookie, sizeof(record->cookie));

	if (!refused || !refused->accepted || !is_of(refused, record))
		return false;
	loop_io_del(&refused->io);
	*ret = (struct rescue_connected){
		.fd = refused->io.fd, .backend = refused->backend, .attempts = refused->attempts};
	refused->io.fd = -1;
	free_refused(refused);
	return true;
}

void rescue_connect_end_all(struct rescue_env *env)
{
	struct hashmap_iter iter = {};

	while (hashmap_next(env->refused, &iter)) {
		struct refused *refused = iter.value;

		if (refused->accepted)
			stop_waiting(refused);
		else
			give_up(refused, RESCUE_ERROR);
	}
}

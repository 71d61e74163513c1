/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/rescue_idle.h"

#include "base/container_of.h"
#include "base/duration.h"
#include "base/hashmap.h"
#include "datapath/dp_rescue.h"
#include "loop/loop.h"
#include "rescue/client_peer.h"
#include "rescue/last_exchange.h"
#include "rescue/rescue_attempts.h"
#include "rescue/rescue_env.h"
#include "rescue/tcp_segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Longer than a busy client takes to use all of its connections, shorter than anybody notices. */
#define HOLD (200 * NSEC_PER_MSEC)

/*
 * The same if the pod has ended, and not just this connection, which had been idle for too long: then a client that
 * is late learns of the end of one connection while it sends on the next. Shorter than the down-grace, after which
 * connections to a pod that is down are closed anyway.
 */
#define HOLD_LONG (900 * NSEC_PER_MSEC)
_Static_assert(HOLD_LONG < SW_RESCUE_GRACE, "the kernel holds it for as long");

struct idle_end {
	struct rescue_env *env;
	struct sw_rescue record;
	struct client_peer client;
	struct loop_timer timer;
	uint64_t number;   /* of the ends of that pod */
	bool joins_others; /* one of them came just before */
	bool extended;
};

static void let_through(struct rescue_env *env, const struct client_peer *client,
			const struct sw_rescue *record)
{
	uint8_t ends = record->tcp_flags & (SEGMENT_FIN | SEGMENT_RST);

	client_peer_send(client, SW_ORDER_END, SEGMENT_ACK | ends, record->seq + record->received,
			 record->ack, NULL, 0);
	/* Should that not get there: when the end comes again. */
	dp_rescue_let_go(env->datapath, record);
}

static void free_idle(struct idle_end *idle)
{
	loop_timer_cancel(&idle->timer);
	hashmap_remove(idle->env->idle, &idle->record.cookie, sizeof(idle->record.cookie));
	client_peer_done(&idle->client);
	free(idle);
}

/* An earlier end on that socket, after which it went on. */
static void forget(struct rescue_env *env, uint64_t cookie)
{
	struct idle_end *idle = hashmap_get(env->idle, &cookie, sizeof(cookie));

	if (idle)
		free_idle(idle);
}

static struct rescue_idle_last *last_of(struct rescue_env *env, uint32_t backend)
{
	return &env->idle_last[backend % RESCUE_IDLE_LAST];
}

/* Notes an end. Returns whether another connection to that pod has ended just before. */
static bool join_others(struct rescue_env *env, uint32_t backend, uint64_t now)
{
	struct rescue_idle_last *last = last_of(env, backend);
	bool joins = last->backend == backend && now - last->when < HOLD;

	*last = (struct rescue_idle_last){
		.backend = backend, .when = now, .number = last->number + 1};
	return joins;
}

static bool ended_with_others(const struct idle_end *idle)
{
	const struct rescue_idle_last *last = last_of(idle->env, idle->record.backend);

	return idle->joins_others ||
	       (last->backend == idle->record.backend && last->number != idle->number);
}

/* Whether nothing was found wrong with the pod just now. */
static bool is_well(const struct idle_end *idle, uint64_t now)
{
	const struct sw_rescue *record = &idle->record;
	struct dp_rescue_choice choice = {.addr = record->frontend_addr,
					  .port = record->frontend_port,
					  .service = record->service};

	return dp_rescue_has_been_usable(idle->env->datapath, &choice, record->backend,
					 now - HOLD_LONG, now);
}

static void on_timer(struct loop_timer *timer, uint64_t now)
{
	struct idle_end *idle = container_of(timer, struct idle_end, timer);

	if (!idle->extended && (ended_with_others(idle) || !is_well(idle, now))) {
		idle->extended = true;
		if (!loop_timer_arm(idle->env->loop, &idle->timer, now + HOLD_LONG - HOLD))
			return;
	}
	let_through(idle->env, &idle->client, &idle->record);
	free_idle(idle);
}

/* Takes the client's reference over. */
static int keep(struct rescue_env *env, const struct sw_rescue *record, struct client_peer *client)
{
	struct idle_end *idle = calloc(1, sizeof(*idle));

	if (!idle)
		return -ENOMEM;
	idle->env = env;
	idle->record = *record;
	idle->client = *client;
	idle->joins_others = join_others(env, record->backend, loop_now(env->loop));
	idle->number = last_of(env, record->backend)->number;
	idle->timer.fn = on_timer;
	client->netns = NULL;
	if (hashmap_put(env->idle, &record->cookie, sizeof(record->cookie), idle) ||
	    loop_timer_arm(env->loop, &idle->timer, loop_now(env->loop) + HOLD)) {
		*client = idle->client;
		idle->client.netns = NULL;
		free_idle(idle);
		return -ENOMEM;
	}
	return 0;
}

static bool has_other_backend(struct rescue_env *env, const struct sw_rescue *record)
{
	struct rescue_attempts attempts = rescue_attempts_after(record);
	struct sw_backend backend;

	return !rescue_attempts_next(&attempts, env, record, &backend);
}

void rescue_idle_report(struct rescue_env *env, const struct sw_rescue *record)
{
	struct client_peer client = client_peer_of(record);

	forget(env, record->cookie);
	if (client_peer_find(&client, env->netns, loop_now(env->loop)) ||
	    (record->request_len && !last_exchange_leaves_open(record)) ||
	    !has_other_backend(env, record) || keep(env, record, &client))
		let_through(env, &client, record);
	client_peer_done(&client);
}

void rescue_idle_end_all(struct rescue_env *env)
{
	struct hashmap_iter iter = {};

	while (hashmap_next(env->idle, &iter)) {
		struct idle_end *idle = iter.value;

		let_through(idle->env, &idle->client, &idle->record);
		free_idle(idle);
	}
}

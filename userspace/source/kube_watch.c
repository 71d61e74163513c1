/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants, after every step once it was started:
 *  - deadline is set. In WAITING it brings the next request; else it ends a request that is silent.
 *  - A request is under way in LISTING and in WATCHING, and only there.
 */
#include "source/kube_watch.h"

#include "base/duration.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define BACKOFF_MIN (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX (30 * NSEC_PER_SEC)
/* At most this, once the server has answered. */
#define BACKOFF_ANSWERED (5 * NSEC_PER_SEC)
#define BACKOFF_REFUSED  NSEC_PER_SEC

/* How long a list may send nothing, and how long a watch may take until it is open. */
#define ANSWER_SILENCE (30 * NSEC_PER_SEC)
/* There is a bookmark every minute. */
#define WATCH_SILENCE (150 * NSEC_PER_SEC)
/* Who has told nothing for that long knows nothing of our version. */
#define MUTE_TIME     (100 * NSEC_PER_SEC)
#define SHORT_WATCH   NSEC_PER_SEC
#define TIMEOUT_GRACE (10 * NSEC_PER_SEC)

enum {
	TIMEOUT_MIN = 300,       /* s */
	TIMEOUT_SPREAD = 300,    /* s */
	FAILURES_MAX = 3,        /* then a new list is made */
	RETRY_AFTER_MAX = 5 * 60 /* s */
};

static const char *const state_str[] = {
	[KUBE_WATCH_IDLE] = "idle",
	[KUBE_WATCH_LISTING] = "listing",
	[KUBE_WATCH_WATCHING] = "watching",
	[KUBE_WATCH_WAITING] = "waiting",
};
static_assert(sizeof(state_str) / sizeof(state_str[0]) == KUBE_WATCH_STATE_COUNT, "one for each");

const char *kube_watch_state_to_str(enum kube_watch_state state)
{
	return state_str[state];
}

void kube_watch_init(struct kube_watch *watch, uint64_t seed)
{
	*watch = (struct kube_watch){.backoff = BACKOFF_MIN, .random = seed | 1};
}

/* xorshift64: enough to spread requests of many nodes over time. */
static uint64_t random_below(struct kube_watch *watch, uint64_t bound)
{
	watch->random ^= watch->random << 13;
	watch->random ^= watch->random >> 7;
	watch->random ^= watch->random << 17;
	return watch->random % bound;
}

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

/* Requests */

static uint64_t silence_of_watch(const struct kube_watch *watch)
{
	uint64_t all = watch->timeout * NSEC_PER_SEC + TIMEOUT_GRACE;

	return all < WATCH_SILENCE ? all : WATCH_SILENCE;
}

static void something_came(struct kube_watch *watch, uint64_t now)
{
	bool is_watch = watch->state == KUBE_WATCH_WATCHING && watch->opened;

	watch->deadline = now + (is_watch ? silence_of_watch(watch) : ANSWER_SILENCE);
}

static struct kube_action request(struct kube_watch *watch, enum kube_watch_state state,
				  uint64_t now)
{
	bool is_list = state == KUBE_WATCH_LISTING;

	watch->state = state;
	watch->opened = false;
	watch->heard = false;
	watch->impatient = false;
	watch->since = now;
	watch->timeout = TIMEOUT_MIN + (unsigned int)random_below(watch, TIMEOUT_SPREAD + 1);
	something_came(watch, now);
	return (struct kube_action){
		.request = is_list ? KUBE_LIST : KUBE_WATCH,
		.fresh = watch->fresh,
		.first_page = is_list && !*watch->token,
	};
}

static struct kube_action request_list(struct kube_watch *watch, uint64_t now)
{
	watch->token[0] = '\0';
	watch->failures = 0;
	return request(watch, KUBE_WATCH_LISTING, now);
}

/* Waits for the back-off, and not less than retry_after (s), then makes the request `next`. */
static struct kube_action wait_for(struct kube_watch *watch, enum kube_watch_state next,
				   unsigned int retry_after, uint64_t now)
{
	uint64_t delay = watch->backoff / 2 + random_below(watch, watch->backoff / 2 + 1);
	uint64_t asked =
		(retry_after < RETRY_AFTER_MAX ? retry_after : RETRY_AFTER_MAX) * NSEC_PER_SEC;

	watch->backoff = watch->backoff < BACKOFF_MAX / 2 ? watch->backoff * 2 : BACKOFF_MAX;
	watch->state = KUBE_WATCH_WAITING;
	watch->next = next;
	watch->impatient = !asked;
	/* Those who were all told the same time do not come all at once. */
	watch->deadline = now + (asked ? asked + delay / 4 : delay);
	return (struct kube_action){.request = KUBE_STOP};
}

static void limit_backoff(struct kube_watch *watch, uint64_t max)
{
	if (watch->backoff > max)
		watch->backoff = max;
}

/* A watch failed that had been opened: resume it, or give its version up. */
static struct kube_action watch_failed(struct kube_watch *watch, uint64_t now)
{
	if (++watch->failures < FAILURES_MAX)
		return wait_for(watch, KUBE_WATCH_WATCHING, 0, now);
	watch->token[0] = '\0';
	watch->failures = 0;
	return wait_for(watch, KUBE_WATCH_LISTING, 0, now);
}

/* Events */

/*
 * A request that got no answer at all: the server was away, and may come back on an older state, in
 * which our version stands for something else. So the next thing is a list. (A watch that was cut
 * goes on at its version: connections are cut for many reasons.)
 */
static struct kube_action on_no_answer(struct kube_watch *watch, uint64_t now)
{
	bool was_watch = watch->state == KUBE_WATCH_WATCHING && !watch->opened;

	watch->lost = true;
	if (was_watch)
		watch->token[0] = '\0';
	return wait_for(watch, was_watch ? KUBE_WATCH_LISTING : watch->state, 0, now);
}

static struct kube_action on_timer(struct kube_watch *watch, uint64_t now)
{
	if (now < watch->deadline)
		return (struct kube_action){};
	if (watch->state == KUBE_WATCH_WAITING)
		return request(watch, watch->next, now);
	watch->fresh = true;
	if (watch->state == KUBE_WATCH_WATCHING && watch->opened) {
		if (!watch->heard)
			return request_list(watch, now);
		return request(watch, KUBE_WATCH_WATCHING, now);
	}
	return on_no_answer(watch, now);
}

static struct kube_action on_page(struct kube_watch *watch, const struct kube_event *event,
				  uint64_t now)
{
	struct kube_action action;

	if (!*watch->token)
		copy_text(watch->list_version, sizeof(watch->list_version), event->version);
	copy_text(watch->token, sizeof(watch->token), event->token);
	if (*watch->token)
		return request(watch, KUBE_WATCH_LISTING, now);
	/*
	 * All pages are of the version of the first one, unless the list was continued with a fresh
	 * token; then what changed since the first page is in the watch.
	 */
	copy_text(watch->version, sizeof(watch->version), watch->list_version);
	action = request(watch, KUBE_WATCH_WATCHING, now);
	action.listed = true;
	return action;
}

static struct kube_action on_object(struct kube_watch *watch, const struct kube_event *event,
				    uint64_t now)
{
	copy_text(watch->version, sizeof(watch->version), event->version);
	watch->heard = true;
	watch->expired = false;
	watch->failures = 0;
	watch->backoff = BACKOFF_MIN;
	something_came(watch, now);
	return (struct kube_action){};
}

/* 410. A list may go on where it was with the token that came with it. */
static struct kube_action on_expired(struct kube_watch *watch, const struct kube_event *event,
				     uint64_t now)
{
	bool go_on = watch->state == KUBE_WATCH_LISTING && *watch->token && event->token &&
		     *event->token && strcmp(event->token, watch->token) != 0;

	copy_text(watch->token, sizeof(watch->token), go_on ? event->token : "");
	/* Once is normal, after an outage for example. */
	if (!watch->expired)
		limit_backoff(watch, BACKOFF_MIN);
	watch->expired = true;
	return wait_for(watch, KUBE_WATCH_LISTING, 0, now);
}

static struct kube_action on_refused(struct kube_watch *watch, const struct kube_event *event,
				     uint64_t now)
{
	struct kube_action action;
	int code = event->code;

	/* A server that has just come up refuses everything for some seconds. */
	if (watch->lost)
		limit_backoff(watch, BACKOFF_REFUSED);
	watch->lost = false;
	if (code == 410)
		return on_expired(watch, event, now);
	if (code == 401 || code == 403 || code == 404 || code == 429 || code >= 500) {
		action = watch->opened && watch->state == KUBE_WATCH_WATCHING
				 ? watch_failed(watch, now)
				 : wait_for(watch, watch->state, event->retry_after, now);
		action.missing = code == 403 || code == 404;
		return action;
	}
	/* It does not like the token or the version: begin anew. */
	watch->token[0] = '\0';
	return wait_for(watch, KUBE_WATCH_LISTING, event->retry_after, now);
}

static struct kube_action on_end(struct kube_watch *watch, uint64_t now)
{
	uint64_t age = now - watch->since;

	if (watch->state == KUBE_WATCH_LISTING)
		return wait_for(watch, KUBE_WATCH_LISTING, 0, now);
	if (watch->heard && age >= SHORT_WATCH)
		return request(watch, KUBE_WATCH_WATCHING, now);
	if (watch->heard)
		return wait_for(watch, KUBE_WATCH_WATCHING, 0, now);
	if (age >= MUTE_TIME)
		return request_list(watch, now);
	return watch_failed(watch, now);
}

static struct kube_action on_cut(struct kube_watch *watch, uint64_t now)
{
	if (watch->state == KUBE_WATCH_WATCHING && watch->opened && !watch->heard)
		return watch_failed(watch, now);
	return on_no_answer(watch, now);
}

static struct kube_action on_garbage(struct kube_watch *watch, uint64_t now)
{
	if (watch->state == KUBE_WATCH_WATCHING)
		return watch_failed(watch, now);
	watch->token[0] = '\0';
	return wait_for(watch, KUBE_WATCH_LISTING, 0, now);
}

static struct kube_action on_hurry(struct kube_watch *watch, uint64_t now)
{
	uint64_t soon = now + random_below(watch, BACKOFF_MIN);

	if (watch->state != KUBE_WATCH_WAITING)
		return (struct kube_action){};
	if (watch->impatient && watch->deadline > soon)
		watch->deadline = soon;
	/* As if our own request had not been answered. */
	if (watch->next == KUBE_WATCH_WATCHING)
		watch->token[0] = '\0';
	watch->next = KUBE_WATCH_LISTING;
	return (struct kube_action){};
}

static struct kube_action on_head(struct kube_watch *watch, uint64_t now)
{
	watch->opened = true;
	watch->fresh = false;
	watch->lost = false;
	limit_backoff(watch, BACKOFF_ANSWERED);
	something_came(watch, now);
	return (struct kube_action){};
}

/* What can only happen while a request is under way. */
static struct kube_action on_answer(struct kube_watch *watch, const struct kube_event *event,
				    uint64_t now)
{
	bool is_list = watch->state == KUBE_WATCH_LISTING;

	switch (event->type) {
	case KUBE_HEAD:
		return on_head(watch, now);
	case KUBE_DATA:
		something_came(watch, now);
		break;
	case KUBE_PAGE:
		if (is_list)
			return on_page(watch, event, now);
		break;
	case KUBE_OBJECT:
	case KUBE_BOOKMARK:
		if (!is_list)
			return on_object(watch, event, now);
		break;
	case KUBE_REFUSED:
		return on_refused(watch, event, now);
	case KUBE_END:
		return on_end(watch, now);
	case KUBE_CUT:
		return on_cut(watch, now);
	case KUBE_GARBAGE:
		return on_garbage(watch, now);
	case KUBE_START:
	case KUBE_TIMER:
	case KUBE_HURRY:
	case KUBE_HAPPENED_COUNT:
		break;
	}
	return (struct kube_action){};
}

struct kube_action kube_watch_step(struct kube_watch *watch, const struct kube_event *event,
				   uint64_t now)
{
	if (watch->state == KUBE_WATCH_IDLE)
		return event->type == KUBE_START ? request_list(watch, now)
						 : (struct kube_action){};
	if (event->type == KUBE_TIMER)
		return on_timer(watch, now);
	if (event->type == KUBE_HURRY)
		return on_hurry(watch, now);
	if (watch->state == KUBE_WATCH_WAITING)
		return (struct kube_action){};
	return on_answer(watch, event, now);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What libcurl calls only takes note; a request is handled when it is over, by the loop. */
#include "source/kube_pods.h"

#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/vec.h"
#include "source/decode.h"
#include "source/kube_body.h"
#include "source/kube_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 4, BODY_MAX = 4 * 1024 * 1024, QUEUE_MAX = 8192 };

#define GAP             (50 * NSEC_PER_MSEC)
#define ANSWER_TIME     (10 * NSEC_PER_SEC)
#define FORBIDDEN_PAUSE (600 * NSEC_PER_SEC)
#define PAUSE_FIRST     (1 * NSEC_PER_SEC)
#define PAUSE_MAX       (30 * NSEC_PER_SEC)

struct wanted {
	char *namespace, *name; /* owned */
};

struct slot {
	struct kube_pods *pods;
	struct wanted what; /* name NULL: the slot is free */
	struct http_stream *stream;
	struct loop_timer timer;
	struct kube_body body;
	int body_error;
	int status;
};

struct kube_pods {
	struct loop *loop;
	struct kube_pods_config config;
	VEC(struct wanted) queue;
	struct slot slots[SLOTS];
	struct loop_timer timer;
	uint64_t not_before; /* ns */
	uint64_t pause;      /* after the next failure */
	bool forbidden_told;
};

static void wanted_done(struct wanted *what)
{
	free(what->namespace);
	free(what->name);
	*what = (struct wanted){};
}

static void slot_done(struct slot *slot)
{
	http_stream_cancel(TAKE_PTR(slot->stream));
	loop_timer_cancel(&slot->timer);
	kube_body_done(&slot->body);
	wanted_done(&slot->what);
	slot->status = slot->body_error = 0;
}

static struct slot *free_slot(struct kube_pods *pods)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (!pods->slots[i].what.name)
			return &pods->slots[i];
	}
	return NULL;
}

static void arm(struct kube_pods *pods)
{
	if (!pods->queue.len || !free_slot(pods))
		return;
	if (loop_timer_arm(pods->loop, &pods->timer, pods->not_before))
		log_error("out of memory: readiness probes of pods are not asked for");
}

static void hold(struct kube_pods *pods, uint64_t pause)
{
	pods->not_before = loop_now(pods->loop) + pause;
}

/* Puts what a slot was about back into the queue. */
static void again(struct kube_pods *pods, struct slot *slot)
{
	if (!vec_push(&pods->queue, slot->what))
		slot->what = (struct wanted){};
}

static void failed(struct kube_pods *pods, struct slot *slot, unsigned int retry_after,
		   const char *why)
{
	log_debug("pod \"%s/%s\": %s; asked for again", slot->what.namespace, slot->what.name, why);
	again(pods, slot);
	hold(pods, retry_after ? retry_after * NSEC_PER_SEC : pods->pause);
	pods->pause = pods->pause * 2 < PAUSE_MAX ? pods->pause * 2 : PAUSE_MAX;
}

static void forbidden(struct kube_pods *pods, struct slot *slot)
{
	if (!pods->forbidden_told)
		log_warn(
			"pods may not be read (HTTP 403), so their readiness probes are not known, "
			"and their ports are probed by TCP where annotations say nothing else: allow "
			"\"get\" of pods (deploy/rbac.yaml), or say --pod-probes off");
	pods->forbidden_told = true;
	again(pods, slot);
	hold(pods, FORBIDDEN_PAUSE);
}

static void on_object(void *arg, struct object *object, uint64_t digest)
{
	struct kube_pods *pods = arg;

	(void)digest;
	if (object->kind == OBJECT_POD)
		pods->config.put(pods->config.arg, object);
	else
		object_done(object);
}

static void on_problem(void *arg, const struct decode_problem *problem)
{
	(void)arg;
	log_warn("API server: %s", problem->text);
}

static void take_pod(struct kube_pods *pods, struct slot *slot)
{
	struct decode_events events = {.object = on_object, .problem = on_problem, .arg = pods};
	size_t size;
	const char *text = kube_body_get(&slot->body, &size);

	pods->pause = PAUSE_FIRST;
	if (slot->body_error || decode_as(OBJECT_POD, text, size, &events))
		log_warn("pod \"%s/%s\": the answer can not be used", slot->what.namespace,
			 slot->what.name);
}

static void on_done(void *arg, const struct http_stream_end *end)
{
	struct slot *slot = arg;
	struct kube_pods *pods = slot->pods;

	slot->stream = NULL;
	if (end->error || end->status >= 500 || end->status == 429 || end->status == 401)
		failed(pods, slot, end->retry_after, end->detail);
	else if (end->status == 403)
		forbidden(pods, slot);
	else if (end->status == 200)
		take_pod(pods, slot);
	else
		log_debug("pod \"%s/%s\": %s", slot->what.namespace, slot->what.name, end->detail);
	slot_done(slot);
	arm(pods);
}

static void on_head(void *arg, int status, const char *peer)
{
	struct slot *slot = arg;

	(void)peer;
	slot->status = status;
}

static void on_data(void *arg, const char *bytes, size_t size)
{
	struct slot *slot = arg;
	int err = slot->status == 200 ? kube_body_add(&slot->body, bytes, size, BODY_MAX) : 0;

	if (err)
		slot->body_error = err;
}

static void on_timeout(struct loop_timer *timer, uint64_t now)
{
	struct slot *slot = container_of(timer, struct slot, timer);
	struct kube_pods *pods = slot->pods;

	(void)now;
	failed(pods, slot, 0, "no answer for too long");
	slot_done(slot);
	arm(pods);
}

static int open_request(struct kube_pods *pods, struct slot *slot)
{
	_cleanup_free_ char *url =
		kube_request_pod_url(pods->config.server, slot->what.namespace, slot->what.name);
	struct http_stream_get get = {
		.url = url, .head = on_head, .data = on_data, .done = on_done, .arg = slot};
	int err;

	if (!url)
		return -ENOMEM;
	log_debug("GET %s", url);
	err = loop_timer_arm(pods->loop, &slot->timer, loop_now(pods->loop) + ANSWER_TIME);
	return err ? err : pods->config.open(pods->config.arg, &get, &slot->stream);
}

/* Starts the first of the queue. */
static void on_timer(struct loop_timer *timer, uint64_t now)
{
	struct kube_pods *pods = container_of(timer, struct kube_pods, timer);
	struct slot *slot = free_slot(pods);
	int err;

	if (!slot || !pods->queue.len)
		return;
	slot->what = pods->queue.items[0];
	memmove(pods->queue.items, pods->queue.items + 1,
		--pods->queue.len * sizeof(*pods->queue.items));
	pods->not_before = now + GAP;
	err = open_request(pods, slot);
	if (err) {
		failed(pods, slot, 0, strerror(-err));
		slot_done(slot);
	}
	arm(pods);
}

int kube_pods_new(struct loop *loop, const struct kube_pods_config *config, struct kube_pods **ret)
{
	struct kube_pods *pods = calloc(1, sizeof(*pods));

	if (!pods)
		return -ENOMEM;
	pods->loop = loop;
	pods->config = *config;
	pods->timer.fn = on_timer;
	pods->pause = PAUSE_FIRST;
	for (size_t i = 0; i < SLOTS; i++) {
		pods->slots[i].pods = pods;
		pods->slots[i].timer.fn = on_timeout;
	}
	*ret = pods;
	return 0;
}

void kube_pods_free(struct kube_pods *pods)
{
	if (!pods)
		return;
	loop_timer_cancel(&pods->timer);
	for (size_t i = 0; i < SLOTS; i++)
		slot_done(&pods->slots[i]);
	vec_foreach(&pods->queue, what)
		wanted_done(what);
	vec_done(&pods->queue);
	free(pods);
}

/* When pods may not be read for days, those that are long gone are forgotten first. */
static void make_room(struct kube_pods *pods)
{
	if (pods->queue.len < QUEUE_MAX)
		return;
	wanted_done(&pods->queue.items[0]);
	memmove(pods->queue.items, pods->queue.items + 1,
		--pods->queue.len * sizeof(*pods->queue.items));
}

int kube_pods_get(struct kube_pods *pods, const char *namespace, const char *name)
{
	struct wanted what = {.namespace = strdup(namespace), .name = strdup(name)};

	make_room(pods);
	if (!what.namespace || !what.name || vec_push(&pods->queue, what)) {
		wanted_done(&what);
		return -ENOMEM;
	}
	arm(pods);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl calls (on_head, on_data) only takes note. Everything else is done by
 * kube_resource_work(), called from the loop: so requests can be ended and begun anywhere in there,
 * and objects are decoded one at a time, which bounds how long the loop is held up.
 */
#include "source/kube_resource.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/container_of.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { REFUSAL_MAX = 64 * 1024 };

static void step(struct kube_resource *resource, const struct kube_event *event);

static void step_simple(struct kube_resource *resource, enum kube_happened type)
{
	step(resource, &(struct kube_event){.type = type});
}

/* Requests */

static void on_head(void *arg, int status, const char *peer)
{
	struct kube_resource *resource = arg;

	resource->status = status;
	resource->new_head = true;
	snprintf(resource->peer, sizeof(resource->peer), "%s", peer);
	resource->owner->wake(resource->owner->arg);
}

static void on_data(void *arg, const char *bytes, size_t size)
{
	struct kube_resource *resource = arg;
	int r = 0;

	if (resource->status != 200)
		kube_body_add(&resource->refusal, bytes, size, REFUSAL_MAX); /* its head will do */
	else if (resource->is_list)
		r = kube_list_add(&resource->list, bytes, size);
	else
		r = kube_frame_add(&resource->frame, bytes, size);
	if (r < 0)
		resource->body_error = r;
	resource->new_data = true;
	resource->owner->wake(resource->owner->arg);
}

static void on_done(void *arg, const struct http_stream_end *end)
{
	struct kube_resource *resource = arg;

	resource->stream = NULL;
	resource->ended = true;
	resource->end = *end;
	snprintf(resource->end_text, sizeof(resource->end_text), "%s", end->detail);
	resource->end.detail = resource->end_text;
	resource->owner->wake(resource->owner->arg);
}

static void close_request(struct kube_resource *resource)
{
	http_stream_cancel(TAKE_PTR(resource->stream));
	kube_list_done(&resource->list);
	kube_frame_done(&resource->frame);
	kube_body_done(&resource->refusal);
	resource->status = 0;
	resource->new_head = resource->new_data = false;
	resource->body_error = 0;
	resource->ended = false;
}

static int open_request(struct kube_resource *resource, const struct kube_action *action)
{
	_cleanup_free_ char *url =
		kube_request_url(&resource->request, action->request, &resource->watch);
	struct http_stream_get get = {
		.url = url,
		.fresh = action->fresh,
		.head = on_head,
		.data = on_data,
		.done = on_done,
		.arg = resource,
	};

	if (!url)
		return -ENOMEM;
	log_debug("%s: GET %s", kube_resource_name(resource), url);
	resource->is_list = action->request == KUBE_LIST;
	return resource->owner->open(resource->owner->arg, &get, &resource->stream);
}

static void arm_timer(struct kube_resource *resource)
{
	if (loop_timer_arm(resource->loop, &resource->timer, resource->watch.deadline) < 0)
		log_error("%s: out of memory; what is under way has no time-out",
			  kube_resource_name(resource));
}

static void perform(struct kube_resource *resource, const struct kube_action *action)
{
	int r = 0;

	if (action->request != KUBE_KEEP)
		close_request(resource);
	if (action->first_page)
		kube_objects_begin_list(resource->objects);
	if (action->listed) {
		kube_objects_end_list(resource->objects);
		resource->listed = true;
		log_debug("%s: listed, %zu objects, version %s", kube_resource_name(resource),
			  kube_objects_count(resource->objects), resource->watch.version);
	}
	if (action->request == KUBE_LIST || action->request == KUBE_WATCH)
		r = open_request(resource, action);
	arm_timer(resource);
	if (r < 0) {
		resource->owner->failed(resource->owner->arg, resource, r, 0, false, strerror(-r));
		step_simple(resource, KUBE_CUT);
	}
}

static struct kube_action advance(struct kube_resource *resource, const struct kube_event *event)
{
	return kube_watch_step(&resource->watch, event, clock_now());
}

static void step(struct kube_resource *resource, const struct kube_event *event)
{
	struct kube_action action = advance(resource, event);

	perform(resource, &action);
}

static void on_timer(struct loop_timer *timer, uint64_t now)
{
	struct kube_resource *resource = container_of(timer, struct kube_resource, timer);
	enum kube_watch_state before = resource->watch.state;
	bool opened = resource->watch.opened;

	(void)now;
	step_simple(resource, KUBE_TIMER);
	if (before == KUBE_WATCH_WAITING || resource->watch.state == before)
		return;
	if (!opened || before == KUBE_WATCH_LISTING)
		resource->owner->failed(resource->owner->arg, resource, -ETIMEDOUT, 0, false,
					"no answer for too long");
}

/* Answers */

/* The answer was refused, or an ERROR event came. */
static void refused(struct kube_resource *resource, const struct decode_status *status, int code,
		    unsigned int retry_after)
{
	struct kube_event event = {.type = KUBE_REFUSED,
				   .code = code,
				   .retry_after = retry_after,
				   .token = status->continue_token};
	struct kube_action action = advance(resource, &event);
	char text[DECODE_MESSAGE_SIZE + 128];

	snprintf(text, sizeof(text), "HTTP %d%s%s%s%s", code, *status->reason ? " " : "",
		 status->reason, *status->message ? ": " : "", status->message);
	log_debug("%s: %s", kube_resource_name(resource), text);
	perform(resource, &action);
	/* Last: the resource may be restarted by it. */
	if (code != 410)
		resource->owner->failed(resource->owner->arg, resource, 0, code, action.missing,
					text);
}

static void finish_refused(struct kube_resource *resource)
{
	struct decode_status status = {};
	size_t size;
	const char *text = kube_body_get(&resource->refusal, &size);

	if (size > 0)
		decode_status(text, size, &status);
	refused(resource, &status, resource->status, resource->end.retry_after);
}

static void finish_cut(struct kube_resource *resource)
{
	char text[sizeof(resource->end_text)];
	int error = resource->end.error ? resource->end.error : -ECONNRESET;
	bool answered = resource->status != 0;

	snprintf(text, sizeof(text), "%s",
		 resource->end.error ? resource->end_text : "the answer is not complete");
	log_debug("%s: %s", kube_resource_name(resource), text);
	step_simple(resource, KUBE_CUT);
	/* A connection that was cut is often replaced at once; only if it is not, that is news. */
	if (!answered)
		resource->owner->failed(resource->owner->arg, resource, error, 0, false, text);
}

static void finish_garbage(struct kube_resource *resource, int r)
{
	char text[128];

	snprintf(text, sizeof(text), "the answer to a %s makes no sense: %s",
		 resource->is_list ? "list" : "watch",
		 r == -EINVAL ? "it is not what the API server sends" : strerror(-r));
	step_simple(resource, KUBE_GARBAGE);
	resource->owner->failed(resource->owner->arg, resource, r, 0, false, text);
}

static void finish_page(struct kube_resource *resource)
{
	struct decode_list_head head;
	struct kube_event event = {
		.type = KUBE_PAGE, .version = head.version, .token = head.continue_token};
	const char *text;
	size_t size;
	int r = kube_list_head(&resource->list, &text, &size);

	if (resource->end.error || r < 0) {
		finish_cut(resource);
		return;
	}
	r = decode_list_head(text, size, &head);
	if (r < 0) {
		finish_garbage(resource, r);
		return;
	}
	resource->owner->answered(resource->owner->arg, resource, resource->peer);
	step(resource, &event);
}

static void finish_watch(struct kube_resource *resource)
{
	if (resource->end.error || kube_frame_rest(&resource->frame) > 0)
		finish_cut(resource);
	else
		step_simple(resource, KUBE_END);
}

/* The request has ended and everything that it brought has been used. */
static void finish(struct kube_resource *resource)
{
	if (resource->status == 0)
		finish_cut(resource);
	else if (resource->status != 200)
		finish_refused(resource);
	else if (resource->is_list)
		finish_page(resource);
	else
		finish_watch(resource);
}

/* Each of these two returns 1 if there may be more, 0 if not, -errno. */

static int work_item(struct kube_resource *resource)
{
	const char *text;
	size_t size;
	int r = kube_list_next(&resource->list, &text, &size);

	if (r == 1)
		r = kube_objects_item(resource->objects, resource->request.kind, text, size);
	else
		return r;
	return r < 0 ? r : 1;
}

static int work_event(struct kube_resource *resource)
{
	struct decode_watch_event event;
	struct kube_event happened = {.type = KUBE_OBJECT, .version = event.version};
	const char *text;
	size_t size;
	int r = kube_frame_next(&resource->frame, &text, &size);

	if (r <= 0)
		return r;
	r = kube_objects_watch(resource->objects, resource->request.kind, text, size, &event);
	if (r < 0)
		return r;
	if (event.type == DECODE_WATCH_ERROR) {
		refused(resource, &event.status, event.status.code ? event.status.code : 500, 0);
		return 0;
	}
	if (event.type == DECODE_WATCH_BOOKMARK)
		happened.type = KUBE_BOOKMARK;
	step(resource, &happened);
	return 1;
}

/* Tells `watch` that something has come at all. */
static void tell_progress(struct kube_resource *resource)
{
	bool was_head = resource->new_head;

	resource->new_head = resource->new_data = false;
	if (resource->status != 200)
		return;
	step_simple(resource, was_head ? KUBE_HEAD : KUBE_DATA);
	/* A list is only good when all of the page is there. */
	if (was_head && !resource->is_list)
		resource->owner->answered(resource->owner->arg, resource, resource->peer);
}

bool kube_resource_work(struct kube_resource *resource, uint64_t until)
{
	int r = resource->body_error;

	if (resource->new_head || resource->new_data)
		tell_progress(resource);
	while (r == 0 && resource->status == 200) {
		r = resource->is_list ? work_item(resource) : work_event(resource);
		if (r <= 0)
			break;
		if (clock_now() >= until)
			return true;
		r = 0;
	}
	if (r < 0)
		finish_garbage(resource, r);
	else if (resource->ended)
		finish(resource);
	return false;
}

void kube_resource_hurry(struct kube_resource *resource)
{
	step_simple(resource, KUBE_HURRY);
}

int kube_resource_init(struct kube_resource *resource, const struct kube_resource_config *config)
{
	struct kube_objects_config objects = {
		.events = config->events,
		.proxy_name = config->request.proxy_name,
	};

	*resource = (struct kube_resource){
		.owner = config->owner, .loop = config->loop, .request = config->request};
	resource->timer.fn = on_timer;
	return kube_objects_new(&objects, &resource->objects);
}

void kube_resource_done(struct kube_resource *resource)
{
	close_request(resource);
	loop_timer_cancel(&resource->timer);
	kube_objects_free(resource->objects);
	resource->objects = NULL;
}

void kube_resource_start(struct kube_resource *resource, enum object_kind kind)
{
	uint64_t seed = clock_now();

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = clock_now();
	close_request(resource);
	resource->request.kind = kind;
	kube_watch_init(&resource->watch, seed);
	step_simple(resource, KUBE_START);
}

const char *kube_resource_name(const struct kube_resource *resource)
{
	return kube_resource_to_str(resource->request.kind);
}

size_t kube_resource_count(const struct kube_resource *resource)
{
	return kube_objects_count(resource->objects);
}

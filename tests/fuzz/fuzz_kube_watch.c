/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the answers of an API server. The first byte says whether they are a list or a watch,
 * the second in how large pieces they come. Besides what the sanitizers find, this checks that what
 * is reported makes sense, and that the protocol is never stuck.
 */
#include "base/duration.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "source/kube_frame.h"
#include "source/kube_list.h"
#include "source/kube_objects.h"
#include "source/kube_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(), which NDEBUG would take out. */
static void require(int condition)
{
	if (!condition)
		abort();
}

/* What has been reported, as a receiver would keep it. */
struct receiver {
	struct hashmap *present;
	struct kube_objects *objects;
	struct kube_watch watch;
	uint64_t now;
};

static int key_of(enum object_kind kind, const char *namespace, const char *name, char key[600])
{
	return snprintf(key, 600, "%d %s %s", (int)kind, namespace, name);
}

static void on_put(void *arg, struct object *object)
{
	struct receiver *receiver = arg;
	char key[600];
	int len = key_of(object->kind, object_namespace(object), object_name(object), key);

	require(hashmap_put(receiver->present, key, (size_t)len, receiver) == 0);
	object_done(object);
}

static void on_remove(void *arg, enum object_kind kind, const char *namespace, const char *name)
{
	struct receiver *receiver = arg;
	char key[600];
	int len = key_of(kind, namespace, name, key);

	require(hashmap_remove(receiver->present, key, (size_t)len) != NULL);
}

static struct kube_action step(struct receiver *receiver, struct kube_event event)
{
	struct kube_action action;

	receiver->now += NSEC_PER_MSEC;
	action = kube_watch_step(&receiver->watch, &event, receiver->now);
	require(receiver->watch.deadline > 0);
	require(action.request != KUBE_STOP || receiver->watch.state == KUBE_WATCH_WAITING);
	return action;
}

static void run_list(struct receiver *receiver, const uint8_t *data, size_t size, size_t piece)
{
	struct kube_list list = {};
	struct decode_list_head head;
	const char *text;
	size_t text_size;
	int r = 0;

	kube_objects_begin_list(receiver->objects);
	for (size_t at = 0; at < size && r == 0; at += piece) {
		size_t len = size - at < piece ? size - at : piece;

		require(kube_list_add(&list, (const char *)data + at, len) == 0);
		while ((r = kube_list_next(&list, &text, &text_size)) == 1)
			require(kube_objects_item(receiver->objects, OBJECT_SERVICE, text,
						  text_size) == 0);
	}
	if (r == 0 && kube_list_head(&list, &text, &text_size) == 0 &&
	    decode_list_head(text, text_size, &head) == 0) {
		struct kube_action action =
			step(receiver, (struct kube_event){.type = KUBE_PAGE,
							   .version = head.version,
							   .token = head.continue_token});
		if (action.listed)
			kube_objects_end_list(receiver->objects);
	} else {
		step(receiver, (struct kube_event){.type = KUBE_GARBAGE});
	}
	kube_list_done(&list);
}

static int run_event(struct receiver *receiver, const char *line, size_t size)
{
	struct decode_watch_event event;
	int r = kube_objects_watch(receiver->objects, OBJECT_SERVICE, line, size, &event);

	if (r < 0) {
		step(receiver, (struct kube_event){.type = KUBE_GARBAGE});
		return r;
	}
	if (event.type == DECODE_WATCH_ERROR)
		step(receiver, (struct kube_event){.type = KUBE_REFUSED,
						   .code = event.status.code,
						   .token = event.status.continue_token});
	else
		step(receiver, (struct kube_event){.type = KUBE_OBJECT, .version = event.version});
	return event.type == DECODE_WATCH_ERROR ? -1 : 0;
}

static void run_watch(struct receiver *receiver, const uint8_t *data, size_t size, size_t piece)
{
	struct kube_frame frame = {};
	const char *line;
	size_t line_size;
	int r = 0;

	step(receiver, (struct kube_event){.type = KUBE_PAGE, .version = "1"});
	step(receiver, (struct kube_event){.type = KUBE_HEAD});
	for (size_t at = 0; at < size && r == 0; at += piece) {
		size_t len = size - at < piece ? size - at : piece;

		require(kube_frame_add(&frame, (const char *)data + at, len) == 0);
		while (r == 0 && kube_frame_next(&frame, &line, &line_size) == 1)
			r = run_event(receiver, line, line_size);
	}
	kube_frame_done(&frame);
}

/* Time alone brings the next request. */
static void check_not_stuck(struct receiver *receiver)
{
	for (int i = 0; i < 3; i++) {
		struct kube_action action;

		receiver->now = receiver->watch.deadline;
		action = step(receiver, (struct kube_event){.type = KUBE_TIMER});
		if (action.request == KUBE_LIST || action.request == KUBE_WATCH)
			return;
	}
	abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* Problems with objects are warnings; here there are many. */
	log_set_level(LOG_ERROR);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct receiver receiver = {.now = NSEC_PER_SEC};
	struct kube_objects_config config = {
		.events = {.put = on_put, .remove = on_remove, .arg = &receiver}};

	if (size < 2)
		return 0;
	require(hashmap_new(&receiver.present) == 0);
	require(kube_objects_new(&config, &receiver.objects) == 0);
	kube_watch_init(&receiver.watch, 1);
	step(&receiver, (struct kube_event){.type = KUBE_START});
	step(&receiver, (struct kube_event){.type = KUBE_HEAD});
	if (data[0] & 1)
		run_watch(&receiver, data + 2, size - 2, (size_t)data[1] + 1);
	else
		run_list(&receiver, data + 2, size - 2, (size_t)data[1] + 1);
	require(hashmap_len(receiver.present) == kube_objects_count(receiver.objects));
	check_not_stuck(&receiver);
	kube_objects_clear(receiver.objects);
	require(hashmap_len(receiver.present) == 0);
	kube_objects_free(receiver.objects);
	hashmap_free(receiver.present);
	return 0;
}

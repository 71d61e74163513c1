/* SPDX-License-Identifier: Apache-2.0 */
/* Events, heads of lists and Status; recorded watches against recorded results. */
#include "source/decode_watch.h"

#include "base/cleanup.h"
#include "source/kube_frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include "unit/recorded.h"

struct seen {
	size_t objects, problems;
	uint64_t digest;
	char name[256];
};

static void on_object(void *arg, struct object *object, uint64_t digest)
{
	struct seen *seen = arg;

	seen->objects++;
	seen->digest = digest;
	snprintf(seen->name, sizeof(seen->name), "%s", object_name(object));
	object_done(object);
}

static void on_problem(void *arg, const struct decode_problem *problem)
{
	struct seen *seen = arg;

	assert_true(*problem->text);
	seen->problems++;
}

static int decode_event(const char *text, size_t size, struct decode_watch_event *event,
			struct seen *seen)
{
	struct decode_events events = {.object = on_object, .problem = on_problem, .arg = seen};

	*seen = (struct seen){};
	return decode_watch_event(OBJECT_SERVICE, text, size, &events, event);
}

/* One letter per event: + put, - deleted, b bookmark, ! error; then the version. */
static void summarize(const char *path, char *out, size_t out_size)
{
	static const char letters[] = {'+', '-', 'b', '!'};
	struct kube_frame frame = {};
	struct decode_watch_event event;
	struct seen seen;
	const char *line;
	size_t size;
	size_t len = 0;
	char *body = recorded_body(path, &size);

	assert_int_equal(kube_frame_add(&frame, body, size), 0);
	while (kube_frame_next(&frame, &line, &size) == 1) {
		assert_int_equal(decode_event(line, size, &event, &seen), 0);
		assert_int_equal(seen.problems, 0);
		if (seen.objects)
			assert_string_equal(seen.name, event.name);
		len += (size_t)snprintf(out + len, out_size - len, "%c%s%s%s ", letters[event.type],
					event.name, *event.name ? "@" : "",
					event.type == DECODE_WATCH_ERROR ? event.status.reason
									 : event.version);
	}
	kube_frame_done(&frame);
	free(body);
}

static void test_recorded_watches(void **state)
{
	static const struct {
		const char *path;
		const char *expected;
	} rows[] = {
		{"1.20.2-watch-services",
		 "+tmp@524 +multi@548 +multi@551 +multi@554 -tmp@560 b560 b560 b560 b560 "},
		{"1.20.2-watch-expired", "!Expired "},
		{"1.34.9-watch-expired", "!Expired "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char path[128];
		char text[4096] = "";

		snprintf(path, sizeof(path), "tests/data/kube/%s.http", rows[i].path);
		summarize(path, text, sizeof(text));
		assert_string_equal(text, rows[i].expected);
	}
}

static void test_events_that_are_none(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"type\":1,\"object\":{}}",
		"{\"type\":\"NEW\",\"object\":{}}",
		"{\"type\":\"ADDED\"}",
		"{\"type\":\"ADDED\",\"object\":{}}",
		"{\"type\":\"ADDED\",\"object\":[]}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}",
		"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{}}}",
		"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":1}}}",
		"{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct decode_watch_event event;
		struct seen seen;

		assert_int_equal(decode_event(texts[i], strlen(texts[i]), &event, &seen), -EINVAL);
		assert_true(seen.problems > 0);
		assert_int_equal(seen.objects, 0);
	}
}

static void test_error_without_anything(void **state)
{
	static const char text[] = "{\"type\":\"ERROR\",\"object\":null}";
	struct decode_watch_event event;
	struct seen seen;

	(void)state;
	assert_int_equal(decode_event(text, sizeof(text) - 1, &event, &seen), 0);
	assert_int_equal(event.type, DECODE_WATCH_ERROR);
	assert_int_equal(event.status.code, 0);
}

/* A watch says kind and apiVersion of an object, a list does not. */
static void test_digest_is_that_of_a_list(void **state)
{
#define REST "\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"1\"},\"spec\":{}}"
	static const char watch[] = "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Service\","
				    "\"apiVersion\":\"v1\"," REST "}";
	static const char item[] = "{" REST;
	struct decode_watch_event event;
	struct seen watched;
	struct seen listed = {};
	struct decode_events events = {.object = on_object, .problem = on_problem, .arg = &listed};

	(void)state;
	assert_int_equal(decode_event(watch, sizeof(watch) - 1, &event, &watched), 0);
	assert_string_equal(event.namespace, "default");
	assert_int_equal(decode_as(OBJECT_SERVICE, item, sizeof(item) - 1, &events), 0);
	assert_int_equal(listed.objects, 1);
	assert_true(listed.digest == watched.digest);
}

static void test_list_heads(void **state)
{
	char long_token[DECODE_CONTINUE_SIZE + 100];
	char text[sizeof(long_token) + 100];
	struct decode_list_head head;
	static const char page[] =
		"{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"abc\"},\"items\":[]}";
	static const char last[] = "{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"\"}}";
	static const char none[] = "{\"metadata\":{}}";

	(void)state;
	assert_int_equal(decode_list_head(page, sizeof(page) - 1, &head), 0);
	assert_string_equal(head.version, "7");
	assert_string_equal(head.continue_token, "abc");
	assert_int_equal(decode_list_head(last, sizeof(last) - 1, &head), 0);
	assert_string_equal(head.continue_token, "");
	assert_int_equal(decode_list_head(none, sizeof(none) - 1, &head), -EINVAL);
	assert_int_equal(decode_list_head("[]", 2, &head), -EINVAL);
	/* A token that does not fit must not look like the last page. */
	memset(long_token, 'x', sizeof(long_token));
	long_token[sizeof(long_token) - 1] = '\0';
	snprintf(text, sizeof(text),
		 "{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"%s\"}}", long_token);
	assert_int_equal(decode_list_head(text, strlen(text), &head), -EINVAL);
}

static void test_recorded_statuses(void **state)
{
	static const char *const versions[] = {"1.20.2", "1.34.9"};
	struct decode_status status;
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		size_t size;
		char *body;

		snprintf(path, sizeof(path), "tests/data/kube/%s-list-continue-expired.http",
			 versions[i]);
		body = recorded_body(path, &size);
		assert_int_equal(decode_status(body, size, &status), 0);
		assert_int_equal(status.code, 410);
		assert_string_equal(status.reason, "Expired");
		assert_true(strlen(status.continue_token) > 20);
		assert_int_equal(strlen(status.message), DECODE_MESSAGE_SIZE - 1);
		free(body);

		snprintf(path, sizeof(path), "tests/data/kube/%s-err-429.http", versions[i]);
		body = recorded_body(path, &size);
		assert_int_equal(decode_status(body, size, &status), -EINVAL);
		free(body);
	}
}

static void test_message_is_cut_between_characters(void **state)
{
	char text[2 * DECODE_MESSAGE_SIZE + 100] = "{\"kind\":\"Status\",\"message\":\"x";
	struct decode_status status;
	size_t len = strlen(text);

	(void)state;
	for (size_t i = 0; i < DECODE_MESSAGE_SIZE; i++) {
		memcpy(text + len, "\xc3\xa4", 2);
		len += 2;
	}
	memcpy(text + len, "\"}", 2);
	assert_int_equal(decode_status(text, len + 2, &status), 0);
	len = strlen(status.message);
	assert_int_equal(len, DECODE_MESSAGE_SIZE - 1);
	assert_int_equal((unsigned char)status.message[len - 1], 0xa4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_watches),
		cmocka_unit_test(test_events_that_are_none),
		cmocka_unit_test(test_error_without_anything),
		cmocka_unit_test(test_digest_is_that_of_a_list),
		cmocka_unit_test(test_list_heads),
		cmocka_unit_test(test_recorded_statuses),
		cmocka_unit_test(test_message_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

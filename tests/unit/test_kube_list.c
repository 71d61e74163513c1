/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded lists, cut at every place, against what the JSON parser says of the whole. */
#include "source/kube_list.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/recorded.h"

/* Takes what is there; each item has to be equal to the next one of `items`. */
static void take_items(struct kube_list *list, json_t *items, size_t *count)
{
	const char *text;
	size_t size;
	int r;

	while ((r = kube_list_next(list, &text, &size)) == 1) {
		json_t *item = json_loadb(text, size, 0, NULL);

		assert_non_null(item);
		assert_true(json_equal(item, json_array_get(items, (*count)++)));
		json_decref(item);
	}
	assert_int_equal(r, 0);
}

static void check_head(struct kube_list *list, json_t *whole)
{
	const char *text;
	size_t size;
	json_t *head;

	assert_int_equal(kube_list_head(list, &text, &size), 0);
	head = json_loadb(text, size, 0, NULL);
	assert_non_null(head);
	assert_int_equal(json_array_size(json_object_get(head, "items")), 0);
	assert_true(
		json_equal(json_object_get(head, "metadata"), json_object_get(whole, "metadata")));
	json_decref(head);
}

static void check_cut(const char *body, size_t size, size_t cut, json_t *whole)
{
	json_t *items = json_object_get(whole, "items");
	struct kube_list list = {};
	const char *text;
	size_t count = 0;
	size_t head_size;

	assert_int_equal(kube_list_add(&list, body, cut), 0);
	take_items(&list, items, &count);
	if (cut + 1 < size)
		assert_int_equal(kube_list_head(&list, &text, &head_size), -EINVAL);
	assert_int_equal(kube_list_add(&list, body + cut, size - cut), 0);
	take_items(&list, items, &count);
	assert_int_equal(count, json_array_size(items));
	check_head(&list, whole);
	kube_list_done(&list);
}

static void check_bytes(const char *body, size_t size, json_t *whole)
{
	struct kube_list list = {};
	size_t count = 0;

	for (size_t i = 0; i < size; i++) {
		assert_int_equal(kube_list_add(&list, body + i, 1), 0);
		take_items(&list, json_object_get(whole, "items"), &count);
	}
	assert_int_equal(count, json_array_size(json_object_get(whole, "items")));
	check_head(&list, whole);
	kube_list_done(&list);
}

static void check_text(const char *body, size_t size, size_t stride)
{
	json_t *whole = json_loadb(body, size, 0, NULL);

	assert_non_null(whole);
	for (size_t cut = 0; cut <= size; cut += stride)
		check_cut(body, size, cut, whole);
	check_bytes(body, size, whole);
	json_decref(whole);
}

static void test_recorded_lists_cut_anywhere(void **state)
{
	glob_t files;

	(void)state;
	assert_int_equal(glob("tests/data/kube/*-services-page*.json", 0, NULL, &files), 0);
	assert_int_equal(files.gl_pathc, 8);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		size_t size;
		char *text = recorded_read(files.gl_pathv[i], &size);

		check_text(text, size, 17);
		free(text);
	}
	globfree(&files);
}

static void test_small_lists(void **state)
{
	static const char *const texts[] = {
		"{\"metadata\":{},\"items\":[]}",
		"{\"metadata\":{},\"items\":null}",
		"{\"items\":[{}],\"metadata\":{\"items\":[1,{\"a\":2}],\"x\":\"items\"}}",
		" {\"kind\":\"items\" , \"items\" : [ {\"a\":\"}]\"} , {\"b\":\"\\\"]\"}\n] , "
		"\"metadata\":{\"resourceVersion\":\"1\"}}\n",
		"{\"metadata\":{\"continue\":\"a\\\\\"},\"items\":[{\"c\":[[],{\"d\":{}}]},{}]}",
		"{\"x\\\"items\":[1],\"metadata\":{},\"items\":[{\"items\":[{}]}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_text(texts[i], strlen(texts[i]), 1);
}

static int result_of(const char *body, size_t size)
{
	struct kube_list list = {};
	const char *text;
	size_t text_size;
	int r = kube_list_add(&list, body, size);

	while (r == 0 && (r = kube_list_next(&list, &text, &text_size)) == 1)
		r = 0;
	if (r == 0)
		r = kube_list_head(&list, &text, &text_size);
	kube_list_done(&list);
	return r;
}

static void test_no_lists(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"null",
		"<html>",
		"{",
		"{\"items\":[",
		"{\"items\":[{}",
		"{\"items\":[{}]",
		"{\"items\":[1]}",
		"{\"items\":[[]]}",
		"{\"items\":[}]}",
		"{\"items\":[]}{",
		"{\"items\":[]}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_not_equal(result_of(texts[i], strlen(texts[i])), 0);
}

static void test_a_head_too_long(void **state)
{
	size_t size = KUBE_LIST_HEAD_MAX + 100;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', size);
	memcpy(text, "{\"metadata\":\"", 13);
	assert_int_equal(result_of(text, size), -EFBIG);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_lists_cut_anywhere),
		cmocka_unit_test(test_small_lists),
		cmocka_unit_test(test_no_lists),
		cmocka_unit_test(test_a_head_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

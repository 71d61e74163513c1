/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each byte is looked at once. What is outside of the items goes into the head; an item stays in the
 * body until it is complete.
 */
#include "source/kube_list.h"

#include <errno.h>
#include <string.h>

int kube_list_add(struct kube_list *list, const char *bytes, size_t size)
{
	return kube_body_add(&list->body, bytes, size, 4UL * KUBE_LIST_ITEM_MAX);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* A byte inside of a string. Returns whether the string ends with it. */
static bool scan_string(struct kube_list *list, char c)
{
	if (list->escaped)
		list->escaped = false;
	else if (c == '\\')
		list->escaped = true;
	else if (c == '"')
		list->in_string = false;
	return !list->in_string;
}

/* A byte outside of a string: returns -EINVAL if something is closed that was not open. */
static int scan_structure(struct kube_list *list, char c)
{
	if (c == '"')
		list->in_string = true;
	else if (c == '{' || c == '[')
		list->depth++;
	else if ((c == '}' || c == ']') && list->depth-- == 0)
		return -EINVAL;
	return 0;
}

static bool string_is_items(const struct kube_list *list)
{
	static const char items[] = "\"items\"";
	size_t size;
	const char *head = kube_body_get(&list->head, &size);

	return size - (list->string - 1) == sizeof(items) - 1 &&
	       memcmp(head + list->string - 1, items, sizeof(items) - 1) == 0;
}

/* Looks for `"items": [` among the members of the list. */
static void scan_items_key(struct kube_list *list, char c)
{
	if (is_space(c))
		return;
	if (c == ':' && list->items_key == 1)
		list->items_key = 2;
	else
		list->items_key = 0;
}

static int scan_head(struct kube_list *list, char c)
{
	size_t size;
	int r = kube_body_add(&list->head, &c, 1, KUBE_LIST_HEAD_MAX);

	if (r < 0)
		return r;
	if (list->in_string) {
		if (scan_string(list, c) && list->depth == 1)
			list->items_key = string_is_items(list);
		return 0;
	}
	if (c == '[' && list->depth == 1 && list->items_key == 2) {
		list->place = KUBE_LIST_ITEMS;
		return 0;
	}
	if (c == '"') {
		kube_body_get(&list->head, &size);
		list->string = size;
	}
	scan_items_key(list, c);
	r = scan_structure(list, c);
	if (list->depth == 0)
		list->place = KUBE_LIST_END;
	return r;
}

static int scan_items(struct kube_list *list, char c)
{
	if (is_space(c) || c == ',')
		return 0;
	if (c == ']') {
		list->place = KUBE_LIST_HEAD;
		list->items_key = 0;
		return kube_body_add(&list->head, &c, 1, KUBE_LIST_HEAD_MAX);
	}
	if (c != '{')
		return -EINVAL;
	list->place = KUBE_LIST_ITEM;
	list->depth++;
	return 0;
}

/* Returns 1 if the item ends with this byte. */
static int scan_item(struct kube_list *list, char c)
{
	int r;

	if (list->in_string) {
		scan_string(list, c);
		return 0;
	}
	r = scan_structure(list, c);
	if (r < 0 || list->depth > 1)
		return r;
	list->place = KUBE_LIST_ITEMS;
	return 1;
}

static int scan_start(struct kube_list *list, char c)
{
	if (is_space(c))
		return 0;
	if (c != '{')
		return -EINVAL;
	list->place = KUBE_LIST_HEAD;
	list->depth = 1;
	return kube_body_add(&list->head, &c, 1, KUBE_LIST_HEAD_MAX);
}

static int scan(struct kube_list *list, char c)
{
	switch (list->place) {
	case KUBE_LIST_START:
		return scan_start(list, c);
	case KUBE_LIST_HEAD:
		return scan_head(list, c);
	case KUBE_LIST_ITEMS:
		return scan_items(list, c);
	case KUBE_LIST_ITEM:
		return scan_item(list, c);
	case KUBE_LIST_END:
		break;
	}
	return is_space(c) ? 0 : -EINVAL;
}

/* Drops what was scanned and is not part of an item. */
static void drop_scanned(struct kube_list *list, size_t size)
{
	kube_body_drop(&list->body, size);
	list->scanned -= size;
}

int kube_list_next(struct kube_list *list, const char **ret_item, size_t *ret_size)
{
	const char *bytes;
	size_t size;
	size_t start = 0;

	drop_scanned(list, list->used);
	list->used = 0;
	bytes = kube_body_get(&list->body, &size);
	while (list->scanned < size) {
		bool was_item = list->place == KUBE_LIST_ITEM;
		int r = scan(list, bytes[list->scanned++]);

		if (r < 0)
			return r;
		if (!was_item)
			start = list->scanned - (list->place == KUBE_LIST_ITEM);
		if (list->scanned - start > KUBE_LIST_ITEM_MAX)
			return -EFBIG;
		if (r == 0)
			continue;
		*ret_item = bytes + start;
		*ret_size = list->scanned - start;
		list->used = list->scanned;
		return 1;
	}
	drop_scanned(list, start);
	return 0;
}

int kube_list_head(const struct kube_list *list, const char **ret_text, size_t *ret_size)
{
	if (list->place != KUBE_LIST_END)
		return -EINVAL;
	*ret_text = kube_body_get(&list->head, ret_size);
	return 0;
}

void kube_list_done(struct kube_list *list)
{
	kube_body_done(&list->body);
	kube_body_done(&list->head);
	*list = (struct kube_list){};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a list, in pieces of any size, to one item at a time, so that a page of hundreds of
 * objects needs neither be complete nor be parsed in one go. Finds where items begin and end; that
 * they are valid is for the decoder to check. Pure.
 */
#pragma once

#include "source/kube_body.h"

#include <stdbool.h>

enum kube_list_place {
	KUBE_LIST_START, /* before the object */
	KUBE_LIST_HEAD,  /* in a member of the list that is not its items */
	KUBE_LIST_ITEMS, /* between two items */
	KUBE_LIST_ITEM,
	KUBE_LIST_END, /* after the object */
};

struct kube_list {
	/* private; start with {} */
	struct kube_body body;
	struct kube_body head; /* the list without its items */
	enum kube_list_place place;
	size_t scanned; /* of the body */
	size_t used;    /* size of the item given out last */
	size_t depth;   /* of objects and arrays */
	size_t string;  /* where the string that was read last begins in the head, +1 */
	int items_key;  /* how much of `"items": [` was read: 0, 1 the key, 2 the colon */
	bool in_string;
	bool escaped;
};

/* An item that is longer is an error. */
enum { KUBE_LIST_ITEM_MAX = 64 * 1024 * 1024, KUBE_LIST_HEAD_MAX = 1024 * 1024 };

/* Appends bytes. Returns 0, -ENOMEM, -EFBIG as kube_frame_add() does. */
int kube_list_add(struct kube_list *list, const char *bytes, size_t size);

/*
 * The next complete item, borrowed until the next call. Returns 1, 0 if there is none yet or any
 * more, -EINVAL if it is no list, -EFBIG if an item or what is around the items is too long,
 * -ENOMEM.
 */
int kube_list_next(struct kube_list *list, const char **ret_item, size_t *ret_size);

/*
 * After all items: the list as JSON with an array without items, borrowed. Returns 0, or -EINVAL
 * if the list is not complete.
 */
int kube_list_head(const struct kube_list *list, const char **ret_text, size_t *ret_size);

/* Drops all; the list can be used for another body. */
void kube_list_done(struct kube_list *list);

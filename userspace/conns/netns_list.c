/* SPDX-License-Identifier: Apache-2.0 */
#include "conns/netns_list.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

/* From the end: processes of one pod mostly follow each other. */
static bool is_known(const struct netns_list *list, const struct netns *id)
{
	for (size_t i = list->len; i-- > 0;) {
		if (list->items[i].inode == id->inode && list->items[i].device == id->device)
			return true;
	}
	return false;
}

/* Only memory is a reason to give up. */
static int add(struct netns_list *list, const struct netns_walk *walk, struct netns *id)
{
	/* The process may have gone elsewhere meanwhile. */
	if (is_known(list, id) || netns_walk_open(walk, id))
		return 0;
	if (is_known(list, id)) {
		close(id->fd);
		return 0;
	}
	if (!vec_push(list, *id))
		return 0;
	close(id->fd);
	return -ENOMEM;
}

int netns_list_read(struct netns_list *list, const char *proc)
{
	struct netns_walk walk = {.proc = proc};
	struct netns id;
	int r, err = 0;

	while (!err && (r = netns_walk_next(&walk, &id)) > 0)
		err = add(list, &walk, &id);
	netns_walk_stop(&walk);
	return err ? err : r;
}

void netns_list_done(struct netns_list *list)
{
	vec_foreach(list, netns)
		close(netns->fd);
	vec_done(list);
}

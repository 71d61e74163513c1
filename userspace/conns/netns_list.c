/* SPDX-License-Identifier: Apache-2.0 */
#include "conns/netns_list.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

static void close_directory(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

/* From the end: processes of one pod mostly follow each other. */
static bool is_known(const struct netns_list *list, const struct stat *file)
{
	for (size_t i = list->len; i-- > 0;) {
		if (list->items[i].inode == file->st_ino && list->items[i].device == file->st_dev)
			return true;
	}
	return false;
}

/* Only memory is a reason to give up. */
static int add(struct netns_list *list, int proc, const char *process)
{
	char path[300];
	_cleanup_close_ int fd = -1;
	struct stat file;

	snprintf(path, sizeof(path), "%s/ns/net", process);
	if (fstatat(proc, path, &file, 0) || is_known(list, &file))
		return 0;
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	/* The process may have gone elsewhere meanwhile. */
	if (fd < 0 || fstat(fd, &file) || is_known(list, &file))
		return 0;
	if (vec_push(list, (struct netns){file.st_dev, file.st_ino, fd}))
		return -ENOMEM;
	TAKE_FD(fd);
	return 0;
}

int netns_list_read(struct netns_list *list, const char *proc)
{
	_cleanup_(close_directory) DIR *directory = opendir(proc);
	struct dirent *entry;
	int err = 0;

	if (!directory)
		return -errno;
	while (!err && (entry = readdir(directory))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			err = add(list, dirfd(directory), entry->d_name);
	}
	return err;
}

void netns_list_done(struct netns_list *list)
{
	vec_foreach(list, netns)
		close(netns->fd);
	vec_done(list);
}

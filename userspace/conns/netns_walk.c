/* SPDX-License-Identifier: Apache-2.0 */
#include "conns/netns_walk.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 32 };

static void path_of(const struct netns_walk *walk, char ret[static PATH_SIZE])
{
	snprintf(ret, PATH_SIZE, "%s/ns/net", walk->process);
}

static int begin(struct netns_walk *walk)
{
	walk->hidden = 0;
	walk->directory = opendir(walk->proc);
	return walk->directory ? 0 : -errno;
}

static int look(struct netns_walk *walk, struct netns *ret)
{
	char path[PATH_SIZE];
	struct stat file;

	path_of(walk, path);
	if (fstatat(dirfd(walk->directory), path, &file, 0)) {
		walk->hidden += errno == EACCES || errno == EPERM;
		return -errno;
	}
	*ret = (struct netns){file.st_dev, file.st_ino, -1};
	return 0;
}

int netns_walk_next(struct netns_walk *walk, struct netns *ret)
{
	const struct dirent *entry;
	int err = walk->directory ? 0 : begin(walk);

	while (!err && (entry = readdir(walk->directory))) {
		size_t len = strlen(entry->d_name);

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    len >= sizeof(walk->process))
			continue;
		memcpy(walk->process, entry->d_name, len + 1);
		if (!look(walk, ret))
			return 1;
	}
	netns_walk_stop(walk);
	return err;
}

int netns_walk_open(const struct netns_walk *walk, struct netns *ret)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_SIZE];
	struct stat file;

	path_of(walk, path);
	fd = openat(dirfd(walk->directory), path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &file))
		return -errno;
	*ret = (struct netns){file.st_dev, file.st_ino, TAKE_FD(fd)};
	return 0;
}

void netns_walk_stop(struct netns_walk *walk)
{
	if (walk->directory)
		closedir(walk->directory);
	walk->directory = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_pin_dir.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int dp_pin_path(const char *dir, const char *name, char *ret, unsigned int size)
{
	return snprintf(ret, size, "%s/%s", dir, name) >= (int)size ? -ENAMETOOLONG : 0;
}

static int lock_dir(const char *path, int *ret_lock, struct dp_problem *problem)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return dp_problem(problem, -errno, "can not open the pin directory \"%s\": %s.",
				  path, strerror(errno));
	if (fstatfs(fd, &fs))
		return dp_problem(problem, -errno, "can not look at \"%s\": %s.", path,
				  strerror(errno));
	if (fs.f_type != BPF_FS_MAGIC)
		return dp_problem(problem, -EINVAL,
				  "the pin directory \"%s\" is not on a bpf file system: mount one "
				  "(mount -t bpf bpf /sys/fs/bpf) or choose another --pin-dir.",
				  path);
	if (flock(fd, LOCK_EX | LOCK_NB))
		return dp_problem(problem, errno == EWOULDBLOCK ? -EBUSY : -errno,
				  "another swerved is at work on the pin directory \"%s\": stop it "
				  "first, or choose another --pin-dir.",
				  path);
	*ret_lock = TAKE_FD(fd);
	return 0;
}

int dp_pin_dir_open(const char *path, int *ret_lock, struct dp_problem *problem)
{
	if (mkdir(path, 0700) && errno != EEXIST) {
		int err = -errno;

		if (err == -ENOENT)
			return dp_problem(
				problem, err,
				"the parent of the pin directory \"%s\" does not exist: "
				"mount a bpf file system (mount -t bpf bpf /sys/fs/bpf) or "
				"choose another --pin-dir.",
				path);
		if (err == -EACCES || err == -EPERM)
			return dp_problem(problem, err,
					  "no permission to make the pin directory \"%s\": run as "
					  "root on a mounted bpf file system (mount -t bpf bpf "
					  "/sys/fs/bpf), or choose another --pin-dir.",
					  path);
		return dp_problem(problem, err, "can not make the pin directory \"%s\": %s.", path,
				  strerror(-err));
	}
	return lock_dir(path, ret_lock, problem);
}

static bool has_prefix(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static int unpin_all(const char *path, const char *prefix)
{
	_cleanup_(close_dir) DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (has_prefix(entry->d_name, prefix) && unlinkat(dirfd(dir), entry->d_name, 0) &&
		    errno != ENOENT)
			return -errno;
	}
	return 0;
}

int dp_pin_dir_empty(const char *path)
{
	int err = unpin_all(path, "sw_link_");

	return err ? err : unpin_all(path, "sw_");
}

int dp_pin_dir_cleanup(const char *path, struct dp_problem *problem)
{
	_cleanup_close_ int lock = -1;
	int err;

	if (access(path, F_OK) && errno == ENOENT)
		return 0;
	err = lock_dir(path, &lock, problem);
	if (err)
		return err;
	err = dp_pin_dir_empty(path);
	if (err)
		return dp_problem(problem, err, "can not remove the pins in \"%s\": %s.", path,
				  strerror(-err));
	if (rmdir(path) && errno != ENOTEMPTY && errno != EBUSY && errno != ENOENT)
		return dp_problem(problem, -errno, "can not remove the pin directory \"%s\": %s.",
				  path, strerror(errno));
	return 0;
}

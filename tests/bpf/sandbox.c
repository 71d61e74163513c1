/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/sandbox.h"

#include "agent/cgroup2.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static bool loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &request);

	if (fd >= 0)
		close(fd);
	return up;
}

static bool join(const char *cgroup)
{
	char path[600];
	bool joined;
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	joined = fd >= 0 && write(fd, "0", 1) == 1;
	if (fd >= 0)
		close(fd);
	return joined;
}

bool sandbox_new_network(void)
{
	return !unshare(CLONE_NEWNET) && loopback_up();
}

const char *sandbox_enter(struct sandbox *sandbox)
{
	if (geteuid())
		return "needs root";
	if (cgroup2_mount(sandbox->parent, sizeof(sandbox->parent) - 64))
		return "no cgroup2 is mounted";
	if (unshare(CLONE_NEWNS) || !sandbox_new_network())
		return "no network namespaces";
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	snprintf(sandbox->dir, sizeof(sandbox->dir), "/tmp/swerve-bpf.XXXXXX");
	if (!mkdtemp(sandbox->dir))
		return "no temporary directory";
	if (mount("bpf", sandbox->dir, "bpf", 0, NULL)) {
		rmdir(sandbox->dir);
		return "no bpf file system";
	}
	snprintf(sandbox->pin_dir, sizeof(sandbox->pin_dir), "%s/swerve", sandbox->dir);
	snprintf(sandbox->cgroup, sizeof(sandbox->cgroup), "%.400s/%s", sandbox->parent,
		 strrchr(sandbox->dir, '/') + 1);
	if (mkdir(sandbox->cgroup, 0700) || !join(sandbox->cgroup)) {
		sandbox_leave(sandbox);
		return "no cgroup can be made";
	}
	return NULL;
}

void sandbox_leave(struct sandbox *sandbox)
{
	join(sandbox->parent);
	rmdir(sandbox->cgroup);
	umount2(sandbox->dir, MNT_DETACH);
	rmdir(sandbox->dir);
}

void sandbox_other_cgroup(const struct sandbox *sandbox, char *ret_path, unsigned int size)
{
	snprintf(ret_path, size, "%.480s.other", sandbox->cgroup);
	mkdir(ret_path, 0700);
}

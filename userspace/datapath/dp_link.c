/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_link.h"

#include "base/cleanup.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the link is attached to this very cgroup. */
static bool link_is_on(int link_fd, int cgroup_fd)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	struct stat cgroup;

	if (bpf_obj_get_info_by_fd(link_fd, &info, &size) || fstat(cgroup_fd, &cgroup))
		return false;
	return info.type == BPF_LINK_TYPE_CGROUP && info.cgroup.cgroup_id == cgroup.st_ino;
}

int dp_link_attach(const struct bpf_program *program, const char *path, int cgroup_fd,
		   int *ret_link)
{
	_cleanup_close_ int pinned = bpf_obj_get(path), created = -1;
	int err;

	if (pinned >= 0 && link_is_on(pinned, cgroup_fd)) {
		err = bpf_link_update(pinned, bpf_program__fd(program), NULL);
		if (!err)
			*ret_link = TAKE_FD(pinned);
		return err;
	}
	created = bpf_link_create(bpf_program__fd(program), cgroup_fd,
				  bpf_program__expected_attach_type(program), NULL);
	if (created < 0)
		return created;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	err = bpf_obj_pin(created, path);
	if (!err)
		*ret_link = TAKE_FD(created);
	return err;
}

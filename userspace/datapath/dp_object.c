/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order of pinning: sw_config is the last map, and links follow it. So a directory without
 * sw_config holds nothing that serves, and its leftovers can be replaced.
 */
#include "datapath/dp_object.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "datapath/dp_link.h"
#include "datapath/dp_maps.h"
#include "datapath/dp_pin_dir.h"
#include "swerve_abi.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* The one include of the generated skeleton; clang-tidy sees leaks in it. */
#include "sock_lb.skel.h" // NOLINT

struct hook {
	const char *program;
	const char *pin;
};

static const struct hook hooks[] = {
	{"sock_connect4", "sw_link_connect4"},  {"sock_connect6", "sw_link_connect6"},
	{"sock_recvmsg4", "sw_link_recvmsg4"},  {"sock_recvmsg6", "sw_link_recvmsg6"},
	{"sock_sendmsg4", "sw_link_sendmsg4"},  {"sock_sendmsg6", "sw_link_sendmsg6"},
	{"sock_getpeername4", "sw_link_peer4"}, {"sock_getpeername6", "sw_link_peer6"},
};

_Static_assert(ARRAY_SIZE(hooks) == DP_HOOKS, "a link for each hook");

void dp_links_init(struct dp_links *links)
{
	for (int i = 0; i < DP_HOOKS; i++)
		links->fds[i] = -1;
}

void dp_links_close(struct dp_links *links)
{
	for (int i = 0; i < DP_HOOKS; i++)
		cleanup_close(&links->fds[i]);
	dp_links_init(links);
}

static void destroy_skeleton(struct sock_lb_bpf **skel)
{
	sock_lb_bpf__destroy(*skel);
}

/* The verifier's reasons have many lines, each of which becomes a line of ours. */
static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL;

	if (level == LIBBPF_DEBUG || !log_enabled(LOG_DEBUG) || vasprintf(&text, format, args) < 0)
		return 0;
	for (char *line = text, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		log_debug("%.*s", (int)(end - line), line);
		end += *end == '\n';
	}
	return 0;
}

static int open_cgroup(const char *path, int *ret_fd, struct dp_problem *problem)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return dp_problem(problem, -errno,
				  "can not open the cgroup \"%s\": %s. Name a directory of the "
				  "cgroup2 file system with --cgroup.",
				  path, strerror(errno));
	if (fstatfs(fd, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
		return dp_problem(problem, -EINVAL,
				  "\"%s\" is not on a cgroup2 file system: mount one (mount -t "
				  "cgroup2 cgroup2 /sys/fs/cgroup) or choose another --cgroup.",
				  path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Finds out whether there are maps of ours: 1 if so, 0 if not. */
static int check_pins(const char *pin_dir, struct dp_problem *problem)
{
	__u32 version;
	int err = dp_maps_check(pin_dir, &version);

	if (!err)
		return 1;
	if (err == -ENOENT)
		return 0;
	if (err == -EPROTO)
		return dp_problem(problem, err,
				  "the pin directory \"%s\" holds maps of ABI version %u, this "
				  "swerved speaks %d: remove them with --cleanup (connections to "
				  "ClusterIPs fail until the next start), or choose another "
				  "--pin-dir.",
				  pin_dir, version, SW_ABI_VERSION);
	if (err == -EUCLEAN)
		return dp_problem(
			problem, err,
			"a map is missing in the pin directory \"%s\", or is of another "
			"shape: remove the rest with --cleanup (connections to ClusterIPs "
			"fail until the next start), or choose another --pin-dir.",
			pin_dir);
	if (err == -EPERM || err == -EACCES)
		return dp_problem(problem, err,
				  "no permission to use BPF maps: run as root, or with CAP_BPF, "
				  "CAP_NET_ADMIN, CAP_PERFMON and CAP_SYS_RESOURCE.");
	return dp_problem(problem, err, "can not read the pinned maps in \"%s\": %s.", pin_dir,
			  strerror(-err));
}

static int pin_map(struct bpf_object *object, const char *pin_dir, enum dp_map map)
{
	struct bpf_map *bpf_map = bpf_object__find_map_by_name(object, dp_map_name(map));
	char path[PATH_MAX];
	int err = dp_pin_path(pin_dir, dp_map_name(map), path, sizeof(path));

	if (err)
		return err;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	return bpf_obj_pin(bpf_map__fd(bpf_map), path);
}

static int pin_maps(struct bpf_object *object, const char *pin_dir, int config_fd)
{
	struct sw_config config = {.abi_version = SW_ABI_VERSION};
	__u32 zero = 0;
	int err = bpf_map_update_elem(config_fd, &zero, &config, BPF_ANY);

	for (int map = 0; !err && map < DP_MAP_COUNT; map++)
		err = pin_map(object, pin_dir, map);
	return err;
}

static bool have_set_retval(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval, NULL) ==
	       1;
}

/*
 * The network namespace of the daemon is the node's. Before Linux 5.14 a process can not learn the
 * cookie; then it is taken to be the initial namespace, as is the case on a real node.
 */
static __u64 own_netns_cookie(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	__u64 cookie = 0;
	socklen_t size = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size))
		return 0;
	return cookie;
}

/* *ret_fresh is set when there was nothing of ours before. */
static int load(const char *pin_dir, bool *ret_fresh, struct sock_lb_bpf **ret,
		struct dp_problem *problem)
{
	_cleanup_(destroy_skeleton) struct sock_lb_bpf *skel = NULL;
	int pinned = check_pins(pin_dir, problem), err = 0;

	if (pinned < 0)
		return pinned;
	*ret_fresh = !pinned;
	skel = sock_lb_bpf__open();
	if (!skel)
		return dp_problem(problem, -ENOMEM, "can not open the BPF object: %s.",
				  strerror(errno));
	skel->rodata->load_config.have_set_retval = have_set_retval();
	skel->rodata->load_config.node_netns = own_netns_cookie();
	if (pinned)
		err = dp_maps_reuse(skel->obj, pin_dir);
	if (!err)
		err = sock_lb_bpf__load(skel);
	if (err == -EPERM || err == -EACCES)
		return dp_problem(problem, err,
				  "no permission to load BPF programs: run as root, or with "
				  "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_SYS_RESOURCE.");
	if (err)
		return dp_problem(problem, err,
				  "the kernel does not take the BPF programs (%s): Linux 5.10 or "
				  "later with CONFIG_CGROUP_BPF is needed; --log-level debug "
				  "shows its reasons.",
				  strerror(-err));
	if (!pinned)
		err = pin_maps(skel->obj, pin_dir, bpf_map__fd(skel->maps.sw_config));
	if (err)
		return dp_problem(problem, err, "can not pin the maps in \"%s\": %s.", pin_dir,
				  strerror(-err));
	*ret = TAKE_PTR(skel);
	return 0;
}

static int attach_problem(const char *program, const char *cgroup, int err,
			  struct dp_problem *problem)
{
	if (err == -EPERM)
		return dp_problem(
			problem, err,
			"can not attach the BPF program %s to the cgroup \"%s\": it is not "
			"permitted, or another program holds that hook for itself (bpftool "
			"cgroup show %s).",
			program, cgroup, cgroup);
	return dp_problem(problem, err,
			  "can not attach the BPF program %s to the cgroup \"%s\": %s.", program,
			  cgroup, strerror(-err));
}

static int attach_all(const struct sock_lb_bpf *skel, const struct dp_install *install,
		      int cgroup_fd, struct dp_links *links, struct dp_problem *problem)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		struct bpf_program *program =
			bpf_object__find_program_by_name(skel->obj, hooks[i].program);
		int err = dp_pin_path(install->pin_dir, hooks[i].pin, path, sizeof(path));

		if (!err)
			err = dp_link_attach(program, path, cgroup_fd, &links->fds[i]);
		if (err)
			return attach_problem(hooks[i].program, install->cgroup, err, problem);
	}
	return 0;
}

int dp_object_install(const struct dp_install *install, struct dp_links *ret,
		      struct dp_problem *problem)
{
	_cleanup_(destroy_skeleton) struct sock_lb_bpf *skel = NULL;
	_cleanup_(dp_links_close) struct dp_links links;
	_cleanup_close_ int cgroup_fd = -1;
	bool fresh = false;
	int err;

	dp_links_init(&links);
	libbpf_set_print(print_libbpf);
	err = open_cgroup(install->cgroup, &cgroup_fd, problem);
	if (!err)
		err = load(install->pin_dir, &fresh, &skel, problem);
	if (skel)
		err = attach_all(skel, install, cgroup_fd, &links, problem);
	if (err && fresh)
		dp_pin_dir_empty(install->pin_dir);
	if (err)
		return err;
	*ret = links;
	dp_links_init(&links);
	return 0;
}

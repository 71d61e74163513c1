/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/hooks.h"

#include "base/clock.h"
#include "base/duration.h"
#include "datapath/dp_pin_dir.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SERVICES = 30000 };

static const int trivial_types[] = {BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET4_GETPEERNAME};

static void die(const char *what, int err)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* Keeps the program of a pinned link, and takes it off its hook. */
static void take_link(struct hooks *hooks, const char *name)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	char path[PATH_MAX];
	int fd, program;

	snprintf(path, sizeof(path), "%s/%s", hooks->pin_dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
		die(path, -errno);
	program = bpf_prog_get_fd_by_id(info.prog_id);
	if (program < 0 || hooks->count == HOOKS_MAX || bpf_link_detach(fd))
		die(name, -errno);
	close(fd);
	hooks->programs[hooks->count] = program;
	hooks->types[hooks->count++] = (int)info.cgroup.attach_type;
}

static void take_links(struct hooks *hooks)
{
	DIR *directory = opendir(hooks->pin_dir);
	struct dirent *entry;

	if (!directory)
		die(hooks->pin_dir, -errno);
	while ((entry = readdir(directory))) {
		if (!strncmp(entry->d_name, "sw_link_", 8))
			take_link(hooks, entry->d_name);
	}
	closedir(directory);
}

static int load_trivial(int type)
{
	const struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = (enum bpf_attach_type)type);
	int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "trivial", "GPL", instructions, 2,
			       &opts);

	if (fd < 0)
		die("the trivial program", fd);
	return fd;
}

void hooks_open(struct hooks *hooks, const char *pin_dir, const char *cgroup)
{
	struct datapath_config config = {.cgroup = cgroup, .pin_dir = pin_dir};
	struct dp_problem problem;

	*hooks = (struct hooks){.pin_dir = pin_dir};
	if (datapath_open(&config, &hooks->datapath, &problem)) {
		fprintf(stderr, "bench: %s\n", problem.text);
		exit(1);
	}
	hooks->cgroup = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (hooks->cgroup < 0)
		die(cgroup, -errno);
	take_links(hooks);
	for (size_t i = 0; i < 2; i++)
		hooks->trivial[i] = load_trivial(trivial_types[i]);
}

void hooks_close(struct hooks *hooks)
{
	struct dp_problem problem;

	hooks_detach(hooks);
	for (size_t i = 0; i < hooks->count; i++)
		close(hooks->programs[i]);
	for (size_t i = 0; i < 2; i++)
		close(hooks->trivial[i]);
	close(hooks->cgroup);
	datapath_close(hooks->datapath);
	dp_pin_dir_cleanup(hooks->pin_dir, &problem);
}

static void attach(struct hooks *hooks, int program, int type)
{
	int link = bpf_link_create(program, hooks->cgroup, (enum bpf_attach_type)type, NULL);

	if (link < 0)
		die("a link", link);
	hooks->links[hooks->attached++] = link;
}

void hooks_attach(struct hooks *hooks, enum hooks_variant variant)
{
	hooks_detach(hooks);
	for (size_t i = 0; variant == HOOKS_TRIVIAL && i < 2; i++)
		attach(hooks, hooks->trivial[i], trivial_types[i]);
	for (size_t i = 0; variant == HOOKS_SWERVE && i < hooks->count; i++)
		attach(hooks, hooks->programs[i], hooks->types[i]);
	datapath_heartbeat(hooks->datapath, clock_now());
}

void hooks_detach(struct hooks *hooks)
{
	while (hooks->attached)
		close(hooks->links[--hooks->attached]);
}

uint32_t hooks_frontend(size_t index)
{
	return htonl(0x0a600000 + (uint32_t)index);
}

static void ignore(void *arg, const struct plan_port *port, const struct dp_backend_change *change)
{
	(void)arg;
	(void)port;
	(void)change;
}

static int add_frontend(struct plan_port *port, size_t index)
{
	struct plan_frontend frontend = {.addr.bytes = {[10] = 0xff, [11] = 0xff}, .port = 80};
	uint32_t address = hooks_frontend(index);

	memcpy(frontend.addr.bytes + 12, &address, sizeof(address));
	return vec_push(&port->frontends, frontend);
}

static int add_endpoints(struct plan_port *port, const struct addr *addr, uint16_t number)
{
	int err = 0;

	for (uint8_t i = 0; !err && i < 2; i++) {
		struct plan_endpoint endpoint = {
			.addr = *addr, .port = number, .target = (char *)"", .uid = (char *)""};

		endpoint.addr.bytes[15] += i;
		err = vec_push(&port->endpoints, endpoint);
	}
	return err;
}

/* The plan of a service with the frontends first, first + step, … below count; an empty one. */
struct wanted {
	size_t first, step, count;
	uint8_t proto;
	struct addr addr;
	uint16_t port;
};

static void name_service(size_t index, char *ret, size_t size)
{
	snprintf(ret, size, "bench/service-%zu", index);
}

static void apply(struct hooks *hooks, const struct wanted *wanted)
{
	struct plan_port port = {.proto = wanted->proto, .ready = 2};
	struct plan_list all = {.preferred = 2, .ready = 2};
	struct datapath_result result;
	struct plan plan = {};
	char service[40];
	int err = add_endpoints(&port, &wanted->addr, wanted->port);

	name_service(wanted->first, service, sizeof(service));
	snprintf(port.name, sizeof(port.name), "%s:80/%s", service,
		 wanted->proto == IPPROTO_UDP ? "udp" : "tcp");
	for (size_t i = wanted->first; !err && i < wanted->count; i += wanted->step)
		err = add_frontend(&port, i);
	for (uint32_t i = 0; !err && i < 2; i++)
		err = vec_push(&all.members, i);
	if (!err)
		err = vec_push(&port.lists, all);
	if (!err)
		err = vec_push(&plan.ports, port);
	if (!err)
		err = datapath_apply(hooks->datapath, service, &plan, clock_now(), ignore, NULL,
				     &result);
	if (err)
		die(service, err);
	vec_done(&port.frontends);
	vec_done(&port.endpoints);
	vec_done(&port.lists);
	plan_list_done(&all);
	vec_done(&plan.ports);
}

static void unpublish(struct hooks *hooks)
{
	const struct plan nothing = {};
	struct datapath_result result;
	char service[40];

	for (size_t i = 0; i < hooks->services; i++) {
		name_service(i, service, sizeof(service));
		datapath_apply(hooks->datapath, service, &nothing, clock_now(), ignore, NULL,
			       &result);
	}
	/* What was freed may be used again after a while: at once, if the clock says so. */
	datapath_heartbeat(hooks->datapath, clock_now() + NSEC_PER_SEC * 60);
	datapath_heartbeat(hooks->datapath, clock_now());
}

void hooks_publish(struct hooks *hooks, size_t count, uint8_t proto, const char *address,
		   uint16_t port)
{
	struct wanted wanted = {.count = count, .proto = proto, .port = port};

	unpublish(hooks);
	if (addr_from_str(address, &wanted.addr))
		die(address, -EINVAL);
	wanted.step = count < SERVICES ? count : SERVICES;
	for (wanted.first = 0; wanted.first < wanted.step; wanted.first++)
		apply(hooks, &wanted);
	hooks->services = wanted.step;
}

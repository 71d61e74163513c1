/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_sense.h"

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/log.h"
#include "datapath/dp_link.h"
#include "datapath/dp_maps.h"
#include "datapath/dp_pin_dir.h"
#include "datapath/dp_sense_udp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sense.skel.h" // NOLINT

struct dp_sense {
	struct sense_bpf *skel;
	struct dp_sense_udp *udp; /* NULL: not seen */
	int cgroup;
	int connections; /* links, -1: not attached */
	int responses;
	char responses_path[PATH_MAX];
};

/* CONFIG_HZ is told to nobody, but the coarse clocks tick with it. */
static uint32_t jiffies_per_second(void)
{
	struct timespec tick = {};

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_nsec <= 0)
		return 100;
	return (uint32_t)(NSEC_PER_SEC / (uint64_t)tick.tv_nsec);
}

static int load(struct dp_sense *sense, const char *pin_dir)
{
	int err;

	sense->skel = sense_bpf__open();
	if (!sense->skel)
		return errno ? -errno : -ENOMEM;
	sense->skel->rodata->load_config.jiffies_per_second = jiffies_per_second();
	err = dp_maps_reuse(sense->skel->obj, pin_dir);
	return err ? err : sense_bpf__load(sense->skel);
}

static int attach_connections(struct dp_sense *sense, const char *pin_dir)
{
	char path[PATH_MAX];
	int err = dp_pin_path(pin_dir, "sw_link_sockops", path, sizeof(path));

	return err ? err
		   : dp_link_attach(sense->skel->progs.sense_sockops, path, sense->cgroup,
				    &sense->connections);
}

static int watch_responses(struct dp_sense *sense, bool on)
{
	if (on == (sense->responses >= 0))
		return 0;
	if (on)
		return dp_link_attach(sense->skel->progs.sense_ingress, sense->responses_path,
				      sense->cgroup, &sense->responses);
	if (unlink(sense->responses_path) && errno != ENOENT)
		return -errno;
	cleanup_close(&sense->responses);
	sense->responses = -1;
	return 0;
}

/* Without a gap where it was attached; whether it is still wanted is said later. */
static int adopt_responses(struct dp_sense *sense, const char *pin_dir)
{
	int err = dp_pin_path(pin_dir, "sw_link_ingress", sense->responses_path,
			      sizeof(sense->responses_path));

	if (!err && !access(sense->responses_path, F_OK))
		err = watch_responses(sense, true);
	return err;
}

static void close_sense(struct dp_sense **sense)
{
	dp_sense_close(*sense);
}

struct dp_sense *dp_sense_install(const struct dp_install *install)
{
	_cleanup_(close_sense) struct dp_sense *sense = calloc(1, sizeof(*sense));
	int err;

	if (!sense) {
		log_error("out of memory: failures are found by probes only");
		return NULL;
	}
	sense->connections = sense->responses = -1;
	sense->cgroup = open(install->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = sense->cgroup < 0 ? -EBADF : load(sense, install->pin_dir);
	if (!err)
		err = attach_connections(sense, install->pin_dir);
	if (!err)
		err = adopt_responses(sense, install->pin_dir);
	if (!err) {
		sense->udp = dp_sense_udp_install(install->pin_dir);
		return TAKE_PTR(sense);
	}
	log_warn(
		"failures are found by probes only: the kernel does not take the programs that "
		"watch connections (%s). Linux 5.10 or later with CONFIG_DEBUG_INFO_BTF is needed; "
		"--log-level debug shows its reasons",
		strerror(-err));
	return NULL;
}

void dp_sense_close(struct dp_sense *sense)
{
	if (!sense)
		return;
	dp_sense_udp_close(sense->udp);
	cleanup_close(&sense->responses);
	cleanup_close(&sense->connections);
	cleanup_close(&sense->cgroup);
	sense_bpf__destroy(sense->skel);
	free(sense);
}

void dp_sense_watch_responses(struct dp_sense *sense, bool on)
{
	int err = watch_responses(sense, on);

	if (err)
		log_error("responses are %s: %s", on ? "not looked at" : "still looked at",
			  strerror(-err));
}

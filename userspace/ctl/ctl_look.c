/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_look.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "ctl/ctl_options.h"
#include "datapath/dp_maps.h"
#include "net/http_fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Room for 131072 backends. */
#define ANSWER_MAX     ((size_t)128 << 20)
#define ANSWER_TIMEOUT (5 * NSEC_PER_SEC)
#define PAUSE          (200 * NSEC_PER_MSEC)

enum { LOOKS = 3, HTTP_OK = 200 };

/* The daemon */

int ctl_look_fetch(const char *address, const char *path, char **ret, char *problem)
{
	char url[256];
	struct http_fetch fetch = {.url = url, .timeout = ANSWER_TIMEOUT, .size_max = ANSWER_MAX};
	struct http_fetched answer;
	int err;

	if (snprintf(url, sizeof(url), "http://%s%s", address, path) >= (int)sizeof(url))
		err = -EINVAL;
	else
		err = http_fetch(&fetch, &answer);
	if (err) {
		snprintf(problem, CTL_PROBLEM_SIZE, "the daemon does not answer at %s: %s", address,
			 strerror(-err));
		return err;
	}
	if (answer.status != HTTP_OK) {
		snprintf(problem, CTL_PROBLEM_SIZE, "the daemon answers %d for http://%s%s",
			 answer.status, address, path);
		free(answer.body);
		return -EBADMSG;
	}
	*ret = answer.body;
	return 0;
}

static int ask_daemon(const char *address, struct ctl_belief *ret, char *problem)
{
	_cleanup_free_ char *status = NULL, *services = NULL, *backends = NULL;
	struct belief_texts texts;
	char error[CTL_PROBLEM_SIZE / 2];
	int err;

	if (!*address) {
		snprintf(problem, CTL_PROBLEM_SIZE,
			 "the daemon was not asked, as the status address is empty");
		return -EINVAL;
	}
	err = ctl_look_fetch(address, "/v1/status", &status, problem);
	if (!err)
		err = ctl_look_fetch(address, "/v1/services", &services, problem);
	if (!err)
		err = ctl_look_fetch(address, "/v1/backends", &backends, problem);
	if (err)
		return err;
	texts = (struct belief_texts){status, services, backends};
	err = ctl_belief_decode(&texts, ret, error, sizeof(error));
	if (err == -EBADMSG)
		snprintf(problem, CTL_PROBLEM_SIZE, "the daemon at %s answers nonsense (%s)",
			 address, error);
	else if (err)
		snprintf(problem, CTL_PROBLEM_SIZE, "out of memory");
	return err;
}

/* The kernel */

static int explain_maps(const char *pin_dir, int err, __u32 version, char *problem)
{
	if (err == -ENOENT)
		snprintf(problem, CTL_PROBLEM_SIZE, "nothing of swerved is pinned in \"%s\"",
			 pin_dir);
	else if (err == -EPROTO)
		snprintf(problem, CTL_PROBLEM_SIZE,
			 "the maps in \"%s\" are of ABI version %u, this program knows %d", pin_dir,
			 version, SW_ABI_VERSION);
	else if (err == -EUCLEAN)
		snprintf(problem, CTL_PROBLEM_SIZE,
			 "a map is missing in \"%s\", or is of another shape", pin_dir);
	else if (err == -EPERM || err == -EACCES)
		snprintf(problem, CTL_PROBLEM_SIZE, "the maps in \"%s\" can only be read by root",
			 pin_dir);
	else
		snprintf(problem, CTL_PROBLEM_SIZE, "the maps in \"%s\" can not be read: %s",
			 pin_dir, strerror(-err));
	return err;
}

static int read_kernel(const char *pin_dir, struct dp_snapshot *ret, char *problem)
{
	_cleanup_(dp_maps_close) struct dp_maps maps = {
		.frontends_fd = -1, .nodes_fd = -1, .sockets_fd = -1};
	struct dp_frontend_entries frontends = {};
	__u32 version = 0;
	int err = dp_maps_check(pin_dir, &version);

	if (!err)
		err = dp_maps_open(pin_dir, false, &maps);
	if (!err)
		err = dp_maps_read_frontends(&maps, &frontends);
	if (!err)
		err = dp_snapshot_take(&maps, &frontends, clock_now(), ret);
	vec_done(&frontends);
	return err ? explain_maps(pin_dir, err, version, problem) : 0;
}

/* Both */

static int look_once(const struct ctl_options *options, struct ctl_look *look)
{
	bool kernel, daemon;

	/* The daemon first: what it believes it has written before. */
	daemon = !ask_daemon(options->status_address, &look->belief, look->daemon_problem);
	kernel = !read_kernel(options->pin_dir, &look->snapshot, look->kernel_problem);
	return ctl_view_join(kernel ? &look->snapshot : NULL, daemon ? &look->belief : NULL,
			     clock_now(), &look->view);
}

int ctl_look(const struct ctl_options *options, struct ctl_look *ret)
{
	const struct timespec pause = {.tv_nsec = (long)PAUSE};

	for (int i = 0; i < LOOKS; i++) {
		int err;

		*ret = (struct ctl_look){};
		err = look_once(options, ret);
		if (err) {
			ctl_look_done(ret);
			return err;
		}
		if (!ret->view.differences.len || i == LOOKS - 1)
			break;
		ctl_look_done(ret);
		nanosleep(&pause, NULL);
	}
	return 0;
}

void ctl_look_done(struct ctl_look *look)
{
	ctl_view_done(&look->view);
	dp_snapshot_done(&look->snapshot);
	ctl_belief_done(&look->belief);
}

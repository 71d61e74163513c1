/* SPDX-License-Identifier: Apache-2.0 */
/* swervectl: looks, warns on stderr of what is missing, prints. */
#include "base/cleanup.h"
#include "base/version.h"
#include "ctl/ctl_age.h"
#include "ctl/ctl_look.h"
#include "ctl/ctl_options.h"
#include "ctl/ctl_rescue.h"
#include "ctl/ctl_verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2 };

static void warn(const struct ctl_look *look)
{
	const struct ctl_view *view = &look->view;
	char age[CTL_AGE_SIZE];

	if (!view->belief)
		fprintf(stderr, "swervectl: %s; this is what the kernel holds.\n",
			look->daemon_problem);
	if (!view->snapshot)
		fprintf(stderr, "swervectl: %s; this is what the daemon believes.\n",
			look->kernel_problem);
	else if (!view->snapshot->trusted)
		fprintf(stderr,
			"swervectl: stale: the last heartbeat of the daemon: %s; the kernel "
			"ignores health.\n",
			ctl_age_ago(view->heartbeat, age));
	if (view->belief && view->snapshot && view->differences.len)
		fprintf(stderr,
			"swervectl: %zu difference(s) between daemon and kernel: see swervectl "
			"status.\n",
			view->differences.len);
}

static int print(const struct ctl_view *view, const struct ctl_options *options)
{
	switch (options->verb) {
	case CTL_SERVICES:
		return ctl_services(view, options, stdout);
	case CTL_BACKENDS:
		return ctl_backends(view, options, stdout);
	case CTL_STATUS:
		return ctl_status(view, options, stdout);
	case CTL_RESCUE:
	case CTL_VERB_COUNT:
		break;
	}
	return 0;
}

static int run_rescue(const struct ctl_options *options)
{
	_cleanup_free_ char *text = NULL;
	char problem[CTL_PROBLEM_SIZE];
	int err = ctl_look_fetch(options->status_address, "/v1/rescue", &text, problem);

	if (!err)
		err = ctl_rescue(text, options, stdout, problem, sizeof(problem));
	if (err)
		fprintf(stderr, "swervectl: %s.\n", err == -ENOMEM ? strerror(ENOMEM) : problem);
	if (fflush(stdout) || ferror(stdout))
		return EXIT_FAILURE;
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(const struct ctl_options *options)
{
	_cleanup_(ctl_look_done) struct ctl_look look = {};
	int err = ctl_look(options, &look);

	if (!err && !look.view.snapshot && !look.view.belief) {
		fprintf(stderr, "swervectl: %s, and %s.\n", look.daemon_problem,
			look.kernel_problem);
		return EXIT_FAILURE;
	}
	if (!err) {
		warn(&look);
		err = print(&look.view, options);
	}
	if (err)
		fprintf(stderr, "swervectl: %s.\n", strerror(-err));
	if (fflush(stdout) || ferror(stdout))
		return EXIT_FAILURE;
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
	struct ctl_options options;
	char error[256];

	if (ctl_options_parse(argc, argv, getenv, &options, error, sizeof(error))) {
		fprintf(stderr, "swervectl: %s\n", error);
		return EXIT_USAGE;
	}
	if (options.help) {
		fputs(ctl_options_help, stdout);
		return EXIT_SUCCESS;
	}
	if (options.version) {
		puts("swervectl " SWERVE_VERSION);
		return EXIT_SUCCESS;
	}
	return options.verb == CTL_RESCUE ? run_rescue(&options) : run(&options);
}

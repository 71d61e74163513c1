/* SPDX-License-Identifier: Apache-2.0 */
/* swerved: wires options, loop and agent together. */
#include "agent/agent.h"
#include "agent/cgroup2.h"
#include "agent/health_options.h"
#include "agent/options.h"
#include "agent/rescue_options.h"
#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/log.h"
#include "base/version.h"
#include "datapath/dp_pin_dir.h"
#include "loop/loop.h"
#include "model/node_ports.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { EXIT_USAGE = 2 };

struct daemon {
	struct loop *loop;
	struct loop_signal terminate;
	struct loop_signal interrupt;
};

static void free_loop(struct loop **loop)
{
	loop_free(*loop);
}

static void free_agent(struct agent **agent)
{
	agent_free(*agent);
}

static void on_terminate(struct loop_signal *sig, int signo)
{
	struct daemon *daemon = container_of(sig, struct daemon, terminate);

	log_info("%s: ending; what is pinned goes on serving", strsignal(signo));
	loop_stop(daemon->loop);
}

static void on_interrupt(struct loop_signal *sig, int signo)
{
	struct daemon *daemon = container_of(sig, struct daemon, interrupt);

	on_terminate(&daemon->terminate, signo);
}

static int run_agent(struct daemon *daemon, const struct agent_config *config)
{
	_cleanup_(free_agent) struct agent *agent = NULL;
	struct dp_problem problem = {};
	int err = loop_signal_add(daemon->loop, &daemon->terminate);

	if (!err)
		err = loop_signal_add(daemon->loop, &daemon->interrupt);
	if (err)
		return err;
	err = agent_new(daemon->loop, config, &agent, &problem);
	if (err) {
		log_error("%s", problem.text);
		return err;
	}
	return loop_run(daemon->loop);
}

/* Every probe under way is a descriptor; the usual soft limit of 1024 is soon reached. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_warn("the limit of open files stays low: %s", strerror(errno));
}

static int serve(const struct options *options, const struct health_options *health,
		 const struct retry_policy *retry, const struct node_ports *node_ports)
{
	_cleanup_(free_loop) struct loop *loop = NULL;
	char cgroup[PATH_MAX], node_name[256] = "";
	struct agent_config config = {.source = {.source = options->source,
						 .kubeconfig = options->kubeconfig,
						 .api_server = options->api_server,
						 .service_proxy_name = options->service_proxy_name,
						 .endpoints_api = options->endpoints_api},
				      .node_name = options->node_name,
				      .node_ports = node_ports,
				      .cgroup = options->cgroup,
				      .pin_dir = options->pin_dir,
				      .status_address = options->status_address,
				      .health_address = options->health_address,
				      .health = *health,
				      .retry = *retry,
				      .no_attempt_header = options->no_attempt_header};
	struct daemon daemon = {.terminate = {.fn = on_terminate, .signo = SIGTERM},
				.interrupt = {.fn = on_interrupt, .signo = SIGINT}};
	int err;

	if (!config.cgroup) {
		if (cgroup2_mount(cgroup, sizeof(cgroup))) {
			log_error("no cgroup2 file system is mounted: mount one (mount -t cgroup2 "
				  "cgroup2 /sys/fs/cgroup) or name a directory with --cgroup.");
			return -ENOENT;
		}
		config.cgroup = cgroup;
	}
	if (!config.node_name) {
		gethostname(node_name, sizeof(node_name) - 1);
		config.node_name = node_name;
	}
	/* A reader of our log that went away must not end us. */
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	err = loop_new(&loop);
	daemon.loop = loop;
	if (!err)
		err = run_agent(&daemon, &config);
	return err;
}

static int cleanup(const char *pin_dir)
{
	struct dp_problem problem = {};
	int err = dp_pin_dir_cleanup(pin_dir, &problem);

	if (err)
		log_error("%s", problem.text);
	else
		log_info("nothing of swerved is left in \"%s\"", pin_dir);
	return err;
}

static int help(void)
{
	_cleanup_free_ char *text = options_help();

	if (!text)
		return EXIT_FAILURE;
	fputs(text, stdout);
	return EXIT_SUCCESS;
}

static int run(const struct options *options, const struct health_options *health,
	       const struct retry_policy *retry)
{
	_cleanup_(node_ports_done) struct node_ports node_ports = {};
	int err;

	if (options->cleanup)
		return cleanup(options->pin_dir) ? EXIT_FAILURE : EXIT_SUCCESS;
	err = node_ports_parse(options->nodeport_addresses, &node_ports);
	if (err == -EINVAL)
		fprintf(stderr,
			"swerved: \"%s\" is neither \"primary\" nor ranges of addresses "
			"(10.0.0.0/8,fd00::/8); see --help.\n",
			options->nodeport_addresses);
	if (err)
		return EXIT_USAGE;
	return serve(options, health, retry, &node_ports) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
	struct health_options health;
	struct retry_policy retry;
	struct options options;
	enum log_level level;
	char error[256];

	if (options_parse(argc, argv, getenv, &options, error, sizeof(error))) {
		fprintf(stderr, "swerved: %s\n", error);
		return EXIT_USAGE;
	}
	if (options.help)
		return help();
	if (options.version) {
		puts("swerved " SWERVE_VERSION);
		return EXIT_SUCCESS;
	}
	if (log_level_from_str(options.log_level, &level)) {
		fprintf(stderr,
			"swerved: the log level \"%s\" is none of error, warn, info, "
			"debug; see --help.\n",
			options.log_level);
		return EXIT_USAGE;
	}
	if (health_options_parse(&options, &health, error, sizeof(error))) {
		fprintf(stderr, "swerved: %s\n", error);
		return EXIT_USAGE;
	}
	if (rescue_options_parse(&options, &retry, error, sizeof(error))) {
		fprintf(stderr, "swerved: %s\n", error);
		return EXIT_USAGE;
	}
	log_set_level(level);
	return run(&options, &health, &retry);
}

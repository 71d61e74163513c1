/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connect, request, response, close (TCP_CRR) from a client pod through a routing host to a backend
 * pod: directly, through one of SERVICES ClusterIPs with Swerve, and with iptables rules in the
 * shape of kube-proxy's. scripts/bench-connect makes the namespaces: plain-client, plain-backend,
 * rules-client and rules-backend, the latter two with the rules between them.
 *
 * usage: crr PIN_DIR CGROUP SERVICES ROUNDS
 *
 * Client and server share a CPU, so that time is CPU time. Prints medians, and ratios of the same
 * round with quartiles.
 */
#include "bench/hooks.h"
#include "bench/paired.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 8080, TRANSACTIONS = 50 };
enum { DIRECT, SWERVE, RULES, VARIANTS };

#define BACKEND "10.2.0.2"

struct bench {
	struct hooks hooks;
	size_t services;
	unsigned int seed;
	int clients[VARIANTS]; /* network namespaces */
};

static void die(const char *what)
{
	fprintf(stderr, "crr: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_netns(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static void enter(int netns)
{
	if (setns(netns, CLONE_NEWNET))
		die("setns");
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 128))
		die("listen");
	return fd;
}

/* Closes first, so that TIME_WAIT is on its side and the client's ports are free again. */
static void serve(int listener)
{
	char byte;

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		if (recv(fd, &byte, 1, 0) == 1)
			send(fd, &byte, 1, MSG_NOSIGNAL);
		close(fd);
	}
}

static void start_server(const char *netns)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = open_netns(netns),
	    listener;

	enter(fd);
	listener = listen_on(PORT);
	enter(home);
	close(home);
	close(fd);
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listener);
	}
	close(listener);
}

static void transact(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	char byte = 'x';

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		die("connect");
	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1 ||
	    recv(fd, &byte, 1, 0) != 0)
		die("the answer");
	close(fd);
}

static struct sockaddr_in target(struct bench *bench, size_t variant)
{
	size_t index = (size_t)rand_r(&bench->seed) % bench->services;
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(80)};

	sa.sin_addr.s_addr = hooks_frontend(index);
	if (variant == DIRECT) {
		sa.sin_port = htons(PORT);
		inet_pton(AF_INET, BACKEND, &sa.sin_addr);
	}
	return sa;
}

static double run(void *arg, size_t variant)
{
	struct bench *bench = arg;
	uint64_t begin, took;

	hooks_attach(&bench->hooks, variant == SWERVE ? HOOKS_SWERVE : HOOKS_NONE);
	enter(bench->clients[variant]);
	begin = clock_now();
	for (int i = 0; i < TRANSACTIONS; i++) {
		struct sockaddr_in to = target(bench, variant);

		transact(&to);
	}
	took = clock_now() - begin;
	hooks_detach(&bench->hooks);
	return (double)took / TRANSACTIONS;
}

static void print_ratio(const struct paired *paired, const char *name, size_t variant, size_t base)
{
	struct paired_stat ratio = paired_ratio(paired, variant, base);

	printf("%-22s %.3f (%.3f to %.3f)\n", name, ratio.median, ratio.low, ratio.high);
}

int main(int argc, char **argv)
{
	struct bench bench = {.seed = 1};
	struct paired paired;
	size_t rounds;
	cpu_set_t one;

	if (argc != 5 || sscanf(argv[3], "%zu", &bench.services) != 1 || !bench.services ||
	    sscanf(argv[4], "%zu", &rounds) != 1 || !rounds) {
		fprintf(stderr, "usage: crr PIN_DIR CGROUP SERVICES ROUNDS\n");
		return 2;
	}
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	start_server("plain-backend");
	start_server("rules-backend");
	bench.clients[DIRECT] = bench.clients[SWERVE] = open_netns("plain-client");
	bench.clients[RULES] = open_netns("rules-client");
	hooks_open(&bench.hooks, argv[1], argv[2]);
	hooks_publish(&bench.hooks, bench.services, IPPROTO_TCP, BACKEND, PORT);
	paired_run(&paired, VARIANTS, rounds, run, &bench);
	printf("%zu services: direct %.1f µs, Swerve %.1f µs, iptables %.1f µs\n", bench.services,
	       paired_value(&paired, DIRECT).median / 1000,
	       paired_value(&paired, SWERVE).median / 1000,
	       paired_value(&paired, RULES).median / 1000);
	print_ratio(&paired, "Swerve / direct", SWERVE, DIRECT);
	print_ratio(&paired, "iptables / direct", RULES, DIRECT);
	print_ratio(&paired, "iptables / Swerve", RULES, SWERVE);
	paired_done(&paired);
	hooks_close(&bench.hooks);
	return 0;
}

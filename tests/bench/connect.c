/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hooks cost the caller of connect() and getpeername(), on loopback, with nothing else in
 * the way:
 *
 *   hook-hot     connect() of a UDP socket, which sends nothing, to one service
 *   hook-scale   the same to services drawn at random
 *   tcp-connect  connect() of a fresh TCP socket; accept() and close() are not timed
 *   getpeername  of a connected socket
 *
 * usage: connect PIN_DIR CGROUP ROUNDS
 *
 * Is to run in a cgroup of its own, with no other program on its hooks. Times in ns per call: the
 * median with nothing attached, then what "return 1" and Swerve add to it in the same round, with
 * quartiles.
 */
#include "bench/hooks.h"
#include "bench/paired.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CALLS = 2000, CONNECTIONS = 50 };

struct bench {
	struct hooks hooks;
	size_t rounds;
	size_t services; /* that are drawn from */
	int fd;          /* the socket, or the listener */
	unsigned int seed;
};

static void die(const char *what)
{
	fprintf(stderr, "connect: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in frontend(size_t index)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(80),
				    .sin_addr.s_addr = hooks_frontend(index)};
}

/* Without hooks a ClusterIP leads nowhere here: the base connects to the backend. */
static struct sockaddr_in target(struct bench *bench, size_t variant, uint16_t port)
{
	if (variant == HOOKS_SWERVE)
		return frontend((size_t)rand_r(&bench->seed) % bench->services);
	(void)rand_r(&bench->seed);
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

enum { PORT = 9 };

static double udp_connect(void *arg, size_t variant)
{
	struct bench *bench = arg;
	uint64_t begin, took;
	int fd;

	hooks_attach(&bench->hooks, (enum hooks_variant)variant);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	begin = clock_now();
	for (int i = 0; i < CALLS; i++) {
		struct sockaddr_in sa = target(bench, variant, PORT);

		if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
			die("connect");
	}
	took = clock_now() - begin;
	close(fd);
	hooks_detach(&bench->hooks);
	return (double)took / CALLS;
}

static double tcp_connect(void *arg, size_t variant)
{
	const struct linger reset = {.l_onoff = 1};
	struct bench *bench = arg;
	uint64_t took = 0;

	hooks_attach(&bench->hooks, (enum hooks_variant)variant);
	for (int i = 0; i < CONNECTIONS; i++) {
		struct sockaddr_in sa = target(bench, variant, PORT);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		uint64_t begin = clock_now();

		if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
			die("connect");
		took += clock_now() - begin;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(accept(bench->fd, NULL, NULL));
		close(fd);
	}
	hooks_detach(&bench->hooks);
	return (double)took / CONNECTIONS;
}

static double peer_name(void *arg, size_t variant)
{
	struct bench *bench = arg;
	uint64_t begin;
	double result;

	hooks_attach(&bench->hooks, (enum hooks_variant)variant);
	begin = clock_now();
	for (int i = 0; i < CALLS; i++) {
		struct sockaddr_in sa;
		socklen_t size = sizeof(sa);

		if (getpeername(bench->fd, (struct sockaddr *)&sa, &size))
			die("getpeername");
	}
	result = (double)(clock_now() - begin) / CALLS;
	hooks_detach(&bench->hooks);
	return result;
}

static void print_stat(struct paired_stat stat)
{
	printf(" %+7.0f (%+.0f to %+.0f)", stat.median, stat.low, stat.high);
}

static void measure(struct bench *bench, const char *name, paired_fn *fn)
{
	struct paired paired;
	struct paired_stat ratio;

	paired_run(&paired, 3, bench->rounds, fn, bench);
	printf("%-12s %6zu %8.0f ", name, bench->services,
	       paired_value(&paired, HOOKS_NONE).median);
	print_stat(paired_delta(&paired, HOOKS_TRIVIAL, HOOKS_NONE));
	print_stat(paired_delta(&paired, HOOKS_SWERVE, HOOKS_NONE));
	ratio = paired_ratio(&paired, HOOKS_SWERVE, HOOKS_NONE);
	printf("  %.2f (%.2f to %.2f)\n", ratio.median, ratio.low, ratio.high);
	fflush(stdout);
	paired_done(&paired);
}

static void measure_udp(struct bench *bench)
{
	static const size_t services[] = {1, 1000, 10000, 60000};

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		bench->services = services[i];
		hooks_publish(&bench->hooks, services[i], IPPROTO_UDP, "127.0.0.1", PORT);
		measure(bench, i ? "hook-scale" : "hook-hot", udp_connect);
	}
}

static void measure_tcp(struct bench *bench)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	bench->services = 1;
	hooks_publish(&bench->hooks, 1, IPPROTO_TCP, "127.0.0.1", PORT);
	bench->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(bench->fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(bench->fd, 16))
		die("listen");
	measure(bench, "tcp-connect", tcp_connect);
	close(bench->fd);
}

static void measure_peer_name(struct bench *bench)
{
	struct sockaddr_in sa = frontend(0);

	hooks_publish(&bench->hooks, 1, IPPROTO_UDP, "127.0.0.1", PORT);
	hooks_attach(&bench->hooks, HOOKS_SWERVE);
	bench->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (connect(bench->fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("connect");
	measure(bench, "getpeername", peer_name);
	close(bench->fd);
}

int main(int argc, char **argv)
{
	struct bench bench = {.seed = 1};
	cpu_set_t one;

	if (argc != 4 || sscanf(argv[3], "%zu", &bench.rounds) != 1 || !bench.rounds) {
		fprintf(stderr, "usage: connect PIN_DIR CGROUP ROUNDS\n");
		return 2;
	}
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	hooks_open(&bench.hooks, argv[1], argv[2]);
	printf("%-12s %6s %8s  %-24s %-24s %s\n", "", "of", "none ns", "return 1 adds",
	       "Swerve adds", "ratio");
	measure_udp(&bench);
	measure_tcp(&bench);
	measure_peer_name(&bench);
	hooks_close(&bench.hooks);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long it takes from an event that leaves the API server's socket to the change in the map,
 * with SERVICES services. Acts as the API server and looks at the pinned maps of the swerved that
 * it starts.
 *
 * usage: programming SWERVED PIN_DIR CGROUP SERVICES ENDPOINTS CHANGES
 *
 * Prints one line: services, endpoints, changes, p50, p99 and max in µs, and swerved's memory.
 */
#include "bench/fake_api.h"

#include "base/clock.h"
#include "base/duration.h"
#include "datapath/dp_maps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "programming: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Two processors, one for each side: otherwise the scheduler's tick is measured. */
static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static pid_t start_swerved(char *argv[], unsigned int port)
{
	char url[64];
	pid_t pid;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	pid = fork();
	if (pid)
		return pid;
	stay_on(1);
	execl(argv[1], "swerved", "--source", "kube", "--api-server", url, "--node-name", "node-1",
	      "--pin-dir", argv[2], "--cgroup", argv[3], "--status-address", "", "--log-level",
	      "warn", (char *)NULL);
	die(argv[1]);
	return -1;
}

static struct sw_frontend_key key_of(unsigned int service)
{
	struct sw_frontend_key key = {.port = 80, .proto = IPPROTO_TCP};
	uint32_t ip = fake_api_cluster_ip(service);

	key.addr.bytes[10] = key.addr.bytes[11] = 0xff;
	memcpy(key.addr.bytes + 12, &ip, sizeof(ip));
	return key;
}

/* Spins until the frontend has so many ready endpoints; returns when that was. */
static uint64_t wait_ready(const struct dp_maps *maps, unsigned int service, uint32_t ready)
{
	struct sw_frontend_key key = key_of(service);
	struct sw_frontend value;
	uint64_t now, deadline = clock_now() + 30 * NSEC_PER_SEC;

	do {
		now = clock_now();
		if (!bpf_map_lookup_elem(maps->frontends_fd, &key, &value) && value.ready == ready)
			return now;
	} while (now < deadline);
	errno = ETIMEDOUT;
	die("waiting for the map");
	return 0;
}

static void wait_synced(struct fake_api *api, const char *pin_dir, unsigned int services,
			uint32_t endpoints, struct dp_maps *ret)
{
	uint64_t deadline = clock_now() + 120 * NSEC_PER_SEC;

	while (!fake_api_watches(api) || dp_maps_open(pin_dir, true, ret)) {
		if (clock_now() > deadline)
			die("swerved does not watch");
		usleep(10000);
	}
	wait_ready(ret, services - 1, endpoints);
	wait_ready(ret, 0, endpoints);
}

static long resident_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	}
	if (file)
		fclose(file);
	return kib;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void measure(struct fake_api *api, const struct dp_maps *maps, unsigned int services,
		    uint32_t endpoints, unsigned int changes, uint64_t *took)
{
	unsigned int seed = 1;

	for (unsigned int i = 0; i < changes; i++) {
		unsigned int service = (unsigned int)rand_r(&seed) % services;
		uint64_t sent = fake_api_set_last(api, service, 0);

		if (!sent)
			die("the watch is gone");
		took[i] = wait_ready(maps, service, endpoints - 1) - sent;
		usleep(2000);
		fake_api_set_last(api, service, 1);
		wait_ready(maps, service, endpoints);
		usleep(2000);
	}
}

static unsigned int number(const char *text)
{
	unsigned int value;

	if (sscanf(text, "%u", &value) == 1 && value)
		return value;
	fprintf(stderr, "programming: \"%s\" is not a number above 0\n", text);
	exit(2);
}

int main(int argc, char *argv[])
{
	struct fake_api *api;
	struct dp_maps maps;
	unsigned int services, endpoints, changes;
	uint64_t *took;
	pid_t pid;

	if (argc != 7) {
		fprintf(stderr, "usage: programming SWERVED PIN_DIR CGROUP SERVICES ENDPOINTS "
				"CHANGES\n");
		return 2;
	}
	services = number(argv[4]);
	endpoints = number(argv[5]);
	changes = number(argv[6]);
	took = calloc(changes, sizeof(*took));
	stay_on(0);
	if (!took || fake_api_start(services, endpoints, &api))
		die("starting");
	pid = start_swerved(argv, fake_api_port(api));
	wait_synced(api, argv[2], services, endpoints, &maps);
	measure(api, &maps, services, endpoints, changes, took);
	qsort(took, changes, sizeof(*took), compare);
	printf("%8u %9u %7u %8.0f %8.0f %8.0f %8ld\n", services, endpoints, changes,
	       (double)took[changes / 2] / 1000, (double)took[changes * 99 / 100] / 1000,
	       (double)took[changes - 1] / 1000, resident_kib(pid) / 1024);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	dp_maps_close(&maps);
	return 0;
}

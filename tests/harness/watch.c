/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches what the kernel goes by: a line for each change of a backend in the mapped arrays, to the
 * millisecond. It needs no daemon, and costs one wake-up per millisecond.
 *
 * usage: watch PIN-DIR
 *
 * Prints "TIME-US SERVICE ADDRESS STATE WAS BEFORE-US", first for what is there already (WAS is "free"). TIME-US
 * is CLOCK_REALTIME, BEFORE-US that of the look before, which may be long ago on a machine that is busy: the state
 * changed in between. SERVICE "namespace/name:port/protocol", ADDRESS without the port. STATE is free,
 * unknown, up, suspect, down, refused, or ejected: by BPF, and that has not expired yet. What is no endpoint any more
 * is free at once: another one may have its address.
 */
#include "../../include/swerve_abi.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WATCHED = 1024 /* backends; tests have few */, STATE_EJECTED = 100 };

static const char *state_name(unsigned int state)
{
	static const char *const names[] = {
		[SW_HEALTH_FREE] = "free",   [SW_HEALTH_UNKNOWN] = "unknown",
		[SW_HEALTH_UP] = "up",       [SW_HEALTH_SUSPECT] = "suspect",
		[SW_HEALTH_DOWN] = "down",   [SW_HEALTH_REFUSED] = "refused",
		[STATE_EJECTED] = "ejected",
	};

	if (state < sizeof(names) / sizeof(names[0]) && names[state])
		return names[state];
	return "other";
}

static const void *map_open(const char *dir, const char *name, size_t size)
{
	char path[512];
	union bpf_attr attr = {.pathname = (uint64_t)(uintptr_t)path};

	snprintf(path, sizeof(path), "%s/%s", dir, name);

	int fd = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	const void *map = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		fprintf(stderr, "watch: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(fd);
	return map;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static unsigned int state_of(const struct sw_backend *backend, uint64_t now)
{
	unsigned int health = __atomic_load_n(&backend->health, __ATOMIC_RELAXED);
	uint64_t ejected_until = __atomic_load_n(&backend->ejected_until, __ATOMIC_RELAXED);

	if (backend->retired)
		return SW_HEALTH_FREE;
	if (health == SW_HEALTH_FREE || health == SW_HEALTH_DOWN || health == SW_HEALTH_REFUSED)
		return health;
	return ejected_until > now ? (unsigned int)STATE_EJECTED : health;
}

static void print_change(const struct sw_backend *backend, const char *service, unsigned int state,
			 unsigned int was, uint64_t before)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool is_v4 = !memcmp(backend->addr.bytes, mapped, sizeof(mapped));
	char address[INET6_ADDRSTRLEN];

	inet_ntop(is_v4 ? AF_INET : AF_INET6, backend->addr.bytes + (is_v4 ? 12 : 0), address,
		  sizeof(address));
	printf("%llu %s %s %s %s %llu\n", (unsigned long long)(now_ns(CLOCK_REALTIME) / 1000),
	       service, address, state_name(state), state_name(was),
	       (unsigned long long)(before / 1000));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static unsigned int states[WATCHED];
	const struct timespec pause = {.tv_nsec = 1000000};

	if (argc != 2) {
		fprintf(stderr, "usage: watch PIN-DIR\n");
		return 2;
	}

	const struct sw_backend *backends =
		map_open(argv[1], "sw_backends", WATCHED * sizeof(struct sw_backend));
	const struct sw_service *services =
		map_open(argv[1], "sw_services", SW_MAX_SERVICES * sizeof(struct sw_service));
	uint64_t before = now_ns(CLOCK_REALTIME);
	for (;;) {
		uint64_t now = now_ns(CLOCK_MONOTONIC), began = now_ns(CLOCK_REALTIME);

		for (size_t i = 1; i < WATCHED; i++) {
			unsigned int state = state_of(&backends[i], now);

			if (state == states[i])
				continue;
			print_change(&backends[i],
				     services[backends[i].service % SW_MAX_SERVICES].name, state,
				     states[i], before);
			states[i] = state;
		}
		before = began;
		nanosleep(&pause, NULL);
	}
}

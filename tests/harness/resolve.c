/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks for a name again and again as applications do, with getaddrinfo(). Built twice, since C
 * libraries ask in ways of their own: glibc connects a socket for each name server, musl sends the
 * queries for both families to all of them at once, from one socket that is not connected.
 *
 * usage: resolve NAME SECONDS     until then or SIGTERM; prints "attempts=N failures=N slowest=MS"
 *
 * The exit status is 1 if a name was not found.
 */
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
	struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
	unsigned int attempts = 0, failures = 0, seconds;
	long end, slowest = 0;

	if (argc != 3 || sscanf(argv[2], "%u", &seconds) != 1) {
		fprintf(stderr, "usage: resolve NAME SECONDS\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	for (end = now_ms() + 1000L * seconds; !stopped && now_ms() < end; attempts++) {
		long begin = now_ms();
		int error = getaddrinfo(argv[1], "80", &hints, &found);

		if (!error)
			freeaddrinfo(found);
		else if (!failures++)
			fprintf(stderr, "resolve: %s: %s\n", argv[1], gai_strerror(error));
		if (now_ms() - begin > slowest)
			slowest = now_ms() - begin;
	}
	printf("attempts=%u failures=%u slowest=%ld\n", attempts, failures, slowest);
	return failures > 0;
}

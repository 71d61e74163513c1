/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of the tests, for what curl can not do: it shows what connect() and getpeername()
 * tell an application. ADDRESS is numeric; an IPv6 literal takes an IPv6 socket, also ::ffff:a.b.c.d.
 *
 * usage: client get ADDRESS PORT [COUNT]     COUNT connections, GET /hostname on each
 *        client hold ADDRESS PORT            one connection, GET /hostname for each line of stdin
 *        client udp ADDRESS PORT TEXT        connected UDP, one exchange
 *        client udphold ADDRESS PORT [named] one UDP socket, an exchange for each line of stdin;
 *                                            "named": not connected, the address with each datagram
 *        client loop ADDRESS PORT SECONDS    connections one after another, until then or SIGTERM
 *        client echo ADDRESS PORT NAME       UDP server that answers "NAME TEXT"
 *
 * get, hold, udp and udphold print a line per exchange: "peer=ADDRESS:PORT local=ADDRESS:PORT reply=TEXT" or
 * "error=ECONNREFUSED at=connect". loop prints "attempts=N failures=N first=ERROR@CALL". The exit
 * status is 1 if anything failed.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* How long a call may take; CLIENT_TIMEOUT in the environment changes it. */
static unsigned int timeout_seconds = 3;

/* Between two connections of a loop; CLIENT_PAUSE_MS in the environment changes it. */
static unsigned int pause_ms;

/* Why an exchange failed: errno and the call. */
struct failure {
	int error;
	const char *call;
};

static volatile sig_atomic_t stopped;

static int fail(struct failure *ret, const char *call)
{
	/* The socket's time limits show as "would block". */
	int timed_out = errno == EAGAIN || errno == EINPROGRESS;

	*ret = (struct failure){.error = timed_out ? ETIMEDOUT : errno, .call = call};
	return -1;
}

static const char *error_name(int error)
{
	const char *text = strerrorname_np(error);

	return text ? text : "unknown";
}

static void address_print(const char *label, const struct sockaddr_storage *address, socklen_t size)
{
	char host[64], port[8];

	getnameinfo((const struct sockaddr *)address, size, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV);
	printf(strchr(host, ':') ? "%s=[%s]:%s " : "%s=%s:%s ", label, host, port);
}

static void names_print(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	if (!getpeername(fd, (struct sockaddr *)&address, &size))
		address_print("peer", &address, size);
	size = sizeof(address);
	if (!getsockname(fd, (struct sockaddr *)&address, &size))
		address_print("local", &address, size);
}

static struct addrinfo *resolve(const char *address, const char *port, int type)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = type,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *ai;
	int error = getaddrinfo(address, port, &hints, &ai);

	if (error) {
		fprintf(stderr, "client: %s port %s: %s\n", address, port, gai_strerror(error));
		exit(2);
	}
	return ai;
}

/* Returns a connected socket, or -1 and why. */
static int connect_to(const struct addrinfo *ai, struct failure *ret)
{
	struct timeval limit = {.tv_sec = timeout_seconds};
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail(ret, "socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen)) {
		fail(ret, "connect");
		close(fd);
		return -1;
	}
	return fd;
}

/* Sends text and receives one answer, NUL-terminated. Returns 0, or -1 and why. */
static int exchange(int fd, const char *text, char *answer, size_t size, struct failure *ret)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return fail(ret, "send");

	ssize_t n = recv(fd, answer, size - 1, 0);
	if (n == 0)
		errno = ECONNRESET;
	if (n <= 0)
		return fail(ret, "recv");
	answer[n] = '\0';
	return 0;
}

/* One GET /hostname on an open connection. */
static int get_hostname(int fd, char *answer, size_t size, struct failure *ret)
{
	char reply[1024];

	if (exchange(fd, "GET /hostname HTTP/1.1\r\nHost: test\r\n\r\n", reply, sizeof(reply), ret))
		return -1;

	const char *body = strstr(reply, "\r\n\r\n");
	errno = EPROTO;
	if (strncmp(reply, "HTTP/1.1 200 ", 13) || !body)
		return fail(ret, "answer");
	snprintf(answer, size, "%s", body + 4);
	return 0;
}

static int failure_print(const struct failure *failure)
{
	printf("error=%s at=%s\n", error_name(failure->error), failure->call);
	return 1;
}

static int get_once(const struct addrinfo *ai)
{
	struct failure failure;
	char answer[64];
	int fd = connect_to(ai, &failure), status = 0;

	if (fd < 0)
		return failure_print(&failure);
	if (get_hostname(fd, answer, sizeof(answer), &failure)) {
		status = failure_print(&failure);
	} else {
		names_print(fd);
		printf("reply=%s\n", answer);
	}
	close(fd);
	return status;
}

static int do_get(const struct addrinfo *ai, const char *count)
{
	unsigned int n = 1;
	int status = 0;

	if (count && sscanf(count, "%u", &n) != 1)
		return 2;
	for (; n > 0; n--)
		status |= get_once(ai);
	return status;
}

static int do_hold(const struct addrinfo *ai)
{
	struct failure failure;
	char line[64], answer[64];
	int fd = connect_to(ai, &failure);

	if (fd < 0)
		return failure_print(&failure);
	while (fgets(line, sizeof(line), stdin)) {
		if (get_hostname(fd, answer, sizeof(answer), &failure))
			return failure_print(&failure);
		names_print(fd);
		printf("reply=%s\n", answer);
		fflush(stdout);
	}
	return 0;
}

static int do_udp(const struct addrinfo *ai, const char *text)
{
	struct failure failure;
	char answer[512];
	int fd = connect_to(ai, &failure);

	if (fd < 0 || exchange(fd, text, answer, sizeof(answer), &failure))
		return failure_print(&failure);
	names_print(fd);
	printf("reply=%s\n", answer);
	return 0;
}

/* A datagram out and one in. Prints who seems to have answered; goes on when nobody does. */
static void exchange_datagram(int fd, const struct addrinfo *to, const char *text)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	struct failure failure;
	char answer[512];
	ssize_t n = to ? sendto(fd, text, strlen(text), 0, to->ai_addr, to->ai_addrlen)
		       : send(fd, text, strlen(text), 0);

	if (n < 0) {
		fail(&failure, "send");
		failure_print(&failure);
		return;
	}
	n = recvfrom(fd, answer, sizeof(answer) - 1, 0, (struct sockaddr *)&from, &size);
	if (n < 0) {
		fail(&failure, "recv");
		failure_print(&failure);
		return;
	}
	answer[n] = '\0';
	address_print("from", &from, size);
	if (!to)
		names_print(fd);
	printf("reply=%s\n", answer);
}

static int do_udphold(const struct addrinfo *ai, int named)
{
	struct timeval limit = {.tv_sec = timeout_seconds};
	struct failure failure;
	char line[64];
	int fd = named ? socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)
		       : connect_to(ai, &failure);

	if (fd < 0)
		return failure_print(&failure);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		exchange_datagram(fd, named ? ai : NULL, line);
		fflush(stdout);
	}
	return 0;
}

static int do_loop(const struct addrinfo *ai, const char *seconds)
{
	unsigned int limit, attempts = 0, failures = 0;
	struct failure failure, first = {.call = "none"};
	char answer[64];

	if (sscanf(seconds, "%u", &limit) != 1)
		return 2;
	for (time_t end = time(NULL) + limit; !stopped && time(NULL) < end; attempts++) {
		int fd = connect_to(ai, &failure);
		if (fd < 0 || get_hostname(fd, answer, sizeof(answer), &failure)) {
			if (!stopped && failures++ == 0)
				first = failure;
		}
		if (fd >= 0)
			close(fd);
		if (pause_ms)
			usleep(pause_ms * 1000);
	}
	printf("attempts=%u failures=%u first=%s@%s\n", attempts, failures, error_name(first.error),
	       first.call);
	return failures > 0;
}

static int do_echo(const struct addrinfo *ai, const char *name)
{
	char in[512], out[600];
	int fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, ai->ai_addr, ai->ai_addrlen)) {
		perror("client: echo");
		return 1;
	}
	for (;;) {
		struct sockaddr_storage from;
		socklen_t from_size = sizeof(from);
		ssize_t n =
			recvfrom(fd, in, sizeof(in) - 1, 0, (struct sockaddr *)&from, &from_size);
		if (n < 0)
			continue;
		in[n] = '\0';
		int size = snprintf(out, sizeof(out), "%s %s", name, in);
		sendto(fd, out, (size_t)size, 0, (struct sockaddr *)&from, from_size);
	}
}

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: client get|hold|udp|udphold|loop|echo ADDRESS PORT [ARGUMENT]\n");
	return 2;
}

int main(int argc, char **argv)
{
	if (argc < 4 || argc > 5)
		return usage();

	const char *mode = argv[1], *argument = argv[4], *timeout = getenv("CLIENT_TIMEOUT");
	const char *pause = getenv("CLIENT_PAUSE_MS");
	struct sigaction action = {.sa_handler = stop}; /* no SA_RESTART: calls end with EINTR */
	int datagrams = !strncmp(mode, "udp", 3) || !strcmp(mode, "echo");
	struct addrinfo *ai = resolve(argv[2], argv[3], datagrams ? SOCK_DGRAM : SOCK_STREAM);
	int status;

	if (timeout && sscanf(timeout, "%u", &timeout_seconds) != 1)
		return usage();
	if (pause && sscanf(pause, "%u", &pause_ms) != 1)
		return usage();
	if (!strcmp(mode, "get")) {
		status = do_get(ai, argument);
	} else if (!strcmp(mode, "hold")) {
		status = do_hold(ai);
	} else if (!strcmp(mode, "udp") && argument) {
		status = do_udp(ai, argument);
	} else if (!strcmp(mode, "udphold")) {
		status = do_udphold(ai, argument && !strcmp(argument, "named"));
	} else if (!strcmp(mode, "loop") && argument) {
		sigaction(SIGTERM, &action, NULL);
		status = do_loop(ai, argument);
	} else if (!strcmp(mode, "echo") && argument) {
		status = do_echo(ai, argument);
	} else {
		status = usage();
	}
	freeaddrinfo(ai);
	return status;
}

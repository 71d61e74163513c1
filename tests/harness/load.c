/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP load that says what became of each request: when it was due, how long it took, how it ended,
 * and which pod answered.
 *
 * usage: load [-c CLIENTS] [-r RATE] [-k] [-d SECONDS] [-n REQUESTS] [-l] [-t MS] [-p PATH] [-o FILE]
 *             [-x connect|sent] ADDRESS PORT
 *
 *   -c  so many clients, each with one request at a time (50)
 *   -r  open loop: RATE requests are due every second, evenly, however slow the answers are. One that
 *       finds no client free waits, and its latency counts from when it was due. Default: closed loop,
 *       each client asks again as soon as it has its answer
 *   -k  clients keep their connections; default: one for each request
 *   -d  ends after so long (10), or on SIGTERM; -n: or after so many requests
 *   -l  after these requests kept connections stay open until -d or SIGTERM
 *   -t  a request that has no answer after so long fails (5000)
 *   -x  clients abort on purpose: while they connect, or after they have asked
 *   -o  a line for each request: DUE-US LATENCY-US OUTCOME POD, sorted by when it ended. DUE-US is
 *       CLOCK_REALTIME, OUTCOME "ok", an HTTP status, or ERRNO@CALL; POD is "-" if it did not answer
 *
 * Prints "requests=N failed=N p50_us=N p99_us=N max_us=N" and a "OUTCOME=N" for each outcome. What is
 * under way at the end is waited for, at most as long as -t says: what hangs is a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CLIENTS = 131072, MAX_OUTCOMES = 32, EVENTS = 256 };

enum state { IDLE, CONNECTING, WAITING };

struct client {
	int fd; /* -1: none; an idle one may have one with -k */
	enum state state;
	uint64_t due, started; /* microseconds */
	size_t used;
	char in[1024];
};

static struct {
	unsigned int clients, rate, timeout_ms;
	uint64_t seconds, requests;
	bool keep, linger, abort_connecting, abort_sent;
	const char *path;
	FILE *trace;
} option = {.clients = 50, .timeout_ms = 5000, .seconds = 10, .requests = UINT64_MAX, .path = "/"};

static struct {
	char name[32];
	uint64_t count;
} outcomes[MAX_OUTCOMES];

static volatile sig_atomic_t stopped; /* nothing new begins */
static struct client clients[MAX_CLIENTS];
static struct addrinfo *target;
static int epoll_fd, timer_fd;
static char request[512];
static uint64_t begun, ended, failed, next_due;
static uint32_t *latencies;
static size_t latencies_size;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void outcome_count(const char *outcome)
{
	for (size_t i = 0; i < MAX_OUTCOMES; i++) {
		if (!outcomes[i].count)
			snprintf(outcomes[i].name, sizeof(outcomes[i].name), "%s", outcome);
		if (!strcmp(outcomes[i].name, outcome)) {
			outcomes[i].count++;
			return;
		}
	}
}

static void latency_add(uint64_t us)
{
	if (ended == latencies_size) {
		latencies_size = latencies_size ? latencies_size * 2 : 65536;
		latencies = realloc(latencies, latencies_size * sizeof(*latencies));
		if (!latencies)
			abort();
	}
	latencies[ended++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void disconnect(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

/* The request has come to its end. */
static void finish(struct client *client, const char *outcome, const char *pod)
{
	uint64_t latency = now_us() - client->due;

	if (strcmp(outcome, "ok") != 0)
		failed++;
	outcome_count(outcome);
	latency_add(latency);
	if (option.trace)
		fprintf(option.trace, "%llu %llu %s %s\n", (unsigned long long)client->due,
			(unsigned long long)latency, outcome, pod);
	client->state = IDLE;
}

static void finish_error(struct client *client, int error, const char *call)
{
	const char *text = strerrorname_np(error);
	char outcome[32];

	snprintf(outcome, sizeof(outcome), "%s@%s", text ? text : "unknown", call);
	disconnect(client);
	finish(client, outcome, "-");
}

static void finish_abort(struct client *client)
{
	disconnect(client);
	finish(client, "aborted", "-");
}

static void send_request(struct client *client)
{
	size_t size = strlen(request);

	client->state = WAITING;
	client->used = 0;
	if (send(client->fd, request, size, MSG_NOSIGNAL) != (ssize_t)size)
		finish_error(client, errno, "send");
	else if (option.abort_sent)
		finish_abort(client);
}

static void connect_client(struct client *client)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client};

	client->state = CONNECTING;
	client->fd = socket(target->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0) {
		finish_error(client, errno, "socket");
		return;
	}
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event);
	if (connect(client->fd, target->ai_addr, target->ai_addrlen) && errno != EINPROGRESS)
		finish_error(client, errno, "connect");
	else if (option.abort_connecting)
		finish_abort(client);
}

static void begin(struct client *client, uint64_t due, uint64_t now)
{
	begun++;
	client->due = due;
	client->started = now;
	if (client->fd >= 0)
		send_request(client);
	else
		connect_client(client);
}

/* Copies the value of the header X-Pod, or "-". */
static void pod_of(const char *answer, char *pod, size_t size)
{
	const char *header = strstr(answer, "\r\nX-Pod: ");

	snprintf(pod, size, "-");
	if (header)
		snprintf(pod, size, "%.*s", (int)strcspn(header + 9, "\r"), header + 9);
}

/* Whether all of the answer is there; its body is as long as Content-Length says. */
static bool is_whole(const struct client *client)
{
	const char *body = strstr(client->in, "\r\n\r\n");
	const char *header = strstr(client->in, "\r\nContent-Length: ");
	size_t length = 0;

	if (!body || (header && sscanf(header + 18, "%zu", &length) != 1))
		return false;
	return client->used >= (size_t)(body + 4 - client->in) + length;
}

static void take_answer(struct client *client)
{
	unsigned int status = 0;
	char outcome[32], pod[32];

	if (sscanf(client->in, "HTTP/1.1 %3u ", &status) != 1) {
		finish_error(client, EPROTO, "answer");
		return;
	}
	snprintf(outcome, sizeof(outcome), "%u", status);
	pod_of(client->in, pod, sizeof(pod));
	if (!option.keep || strstr(client->in, "\r\nConnection: close\r\n"))
		disconnect(client);
	finish(client, status >= 200 && status < 400 ? "ok" : outcome, pod);
}

static void receive(struct client *client)
{
	while (client->state == WAITING) {
		size_t space = sizeof(client->in) - 1 - client->used;
		ssize_t n = recv(client->fd, client->in + client->used, space, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n == 0)
			errno = ENODATA; /* the end of the stream, but no answer */
		if (n <= 0) {
			finish_error(client, errno, "recv");
			return;
		}
		client->used += (size_t)n;
		client->in[client->used] = '\0';
		if (is_whole(client))
			take_answer(client);
		else if (client->used == sizeof(client->in) - 1)
			finish_error(client, EMSGSIZE, "recv");
	}
}

static void handle(struct client *client, unsigned int events)
{
	int error = 0;
	socklen_t size = sizeof(error);
	char byte;

	switch (client->state) {
	case CONNECTING:
		getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error)
			finish_error(client, error, "connect");
		else if (events & EPOLLOUT)
			send_request(client);
		return;
	case WAITING:
		receive(client);
		return;
	case IDLE: /* closed between two requests: the next one has a new connection */
		if (client->fd >= 0 &&
		    (recv(client->fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN))
			disconnect(client);
		return;
	}
}

static bool may_begin(void)
{
	return !stopped && begun < option.requests;
}

/* In turn, so that kept connections are all used. */
static void begin_due(uint64_t now)
{
	static unsigned int turn;

	for (unsigned int i = 0; i < option.clients && may_begin(); i++) {
		struct client *client = &clients[turn];

		if (option.rate && next_due > now)
			return;
		turn = (turn + 1) % option.clients;
		if (client->state != IDLE)
			continue;
		begin(client, option.rate ? next_due : now, now);
		if (option.rate)
			next_due += 1000000 / option.rate;
	}
}

static void expire(uint64_t now)
{
	for (unsigned int i = 0; i < option.clients; i++)
		if (clients[i].state != IDLE &&
		    now - clients[i].started > (uint64_t)option.timeout_ms * 1000)
			finish_error(&clients[i], ETIMEDOUT,
				     clients[i].state == CONNECTING ? "connect" : "recv");
}

static bool any_busy(void)
{
	for (unsigned int i = 0; i < option.clients; i++)
		if (clients[i].state != IDLE)
			return true;
	return false;
}

/*
 * How long to wait for events. A timer, as precise as the rate needs it, is one of them; not when all
 * clients are busy with what was due before.
 */
static int wait_ms(uint64_t now)
{
	struct itimerspec timer = {.it_interval = {0}};

	if (!option.rate)
		return 1;
	if (may_begin() && next_due > now) {
		timer.it_value.tv_sec = (time_t)(next_due / 1000000);
		timer.it_value.tv_nsec = (long)(next_due % 1000000) * 1000;
	}
	timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
	return may_begin() && next_due <= now ? 1 : 10;
}

static void run(void)
{
	uint64_t now = now_us(), end = now + option.seconds * 1000000, last_expiry = now;
	struct epoll_event events[EVENTS], timer = {.events = EPOLLIN, .data.ptr = NULL};

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	timer_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &timer);
	for (unsigned int i = 0; i < option.clients; i++)
		clients[i].fd = -1;
	next_due = now;
	while (may_begin() || (option.linger && !stopped) || any_busy()) {
		begin_due(now);

		int n = epoll_wait(epoll_fd, events, EVENTS, wait_ms(now));
		for (int i = 0; i < n; i++)
			if (events[i].data.ptr)
				handle(events[i].data.ptr, events[i].events);
		now = now_us();
		if (now >= end)
			stopped = 1;
		if (now - last_expiry > 10000) {
			expire(now);
			last_expiry = now;
		}
	}
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint32_t quantile(double q)
{
	return ended ? latencies[(size_t)((double)(ended - 1) * q)] : 0;
}

static void report(void)
{
	qsort(latencies, ended, sizeof(*latencies), compare);
	printf("requests=%llu failed=%llu p50_us=%u p99_us=%u max_us=%u", (unsigned long long)ended,
	       (unsigned long long)failed, quantile(0.5), quantile(0.99), quantile(1));
	for (size_t i = 0; i < MAX_OUTCOMES && outcomes[i].count; i++)
		printf(" %s=%llu", outcomes[i].name, (unsigned long long)outcomes[i].count);
	printf("\n");
}

static int usage(void)
{
	fprintf(stderr,
		"usage: load [-c CLIENTS] [-r RATE] [-k] [-d SECONDS] [-n REQUESTS] [-t MS]\n"
		"            [-p PATH] [-o FILE] [-x connect|sent] ADDRESS PORT\n");
	return 2;
}

static bool number(const char *text, unsigned int min, unsigned int max, unsigned int *ret)
{
	return sscanf(text, "%u", ret) == 1 && *ret >= min && *ret <= max;
}

static bool parse_option(int letter, const char *text)
{
	unsigned int n = 0;
	bool ok = true;

	switch (letter) {
	case 'c':
		return number(text, 1, MAX_CLIENTS, &option.clients);
	case 'r':
		return number(text, 1, 1000000, &option.rate);
	case 't':
		return number(text, 1, 3600000, &option.timeout_ms);
	case 'd':
		ok = number(text, 1, 86400, &n);
		option.seconds = n;
		return ok;
	case 'n':
		ok = number(text, 1, 1000000000, &n);
		option.requests = n;
		return ok;
	case 'k':
		return option.keep = true;
	case 'l':
		return option.linger = true;
	case 'p':
		option.path = text;
		return true;
	case 'o':
		option.trace = fopen(text, "we");
		return option.trace;
	case 'x':
		option.abort_connecting = !strcmp(text, "connect");
		option.abort_sent = !strcmp(text, "sent");
		return option.abort_connecting || option.abort_sent;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct sigaction action = {.sa_handler = stop};
	int letter;

	while ((letter = getopt(argc, argv, "c:r:kd:n:lt:p:o:x:")) != -1)
		if (!parse_option(letter, optarg))
			return usage();
	if (optind != argc - 2 || getaddrinfo(argv[optind], argv[optind + 1], &hints, &target))
		return usage();
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", option.path,
		 argv[optind], option.keep ? "" : "Connection: close\r\n");
	sigaction(SIGTERM, &action, NULL);
	run();
	report();
	if (option.trace)
		fclose(option.trace);
	freeaddrinfo(target);
	free(latencies);
	return 0;
}

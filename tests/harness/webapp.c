/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server of a test pod: one thread, keep-alive as HTTP/1.0 and 1.1 have it, requests in
 * any number of pieces and pipelined.
 *
 * usage: webapp [-a ADDRESS] [-n NAME] [-f FIFO] PORT     (default: all addresses, both families)
 *
 * Every answer has the header X-Pod: NAME. GET /hostname answers NAME, GET /status/NNN that status,
 * everything else "OK". GET /err switches over: from then on all but /err is answered with 500, until
 * the next /err.
 *
 * -f: a FIFO from which faults are read, a line each. They need no network, so they can be ended
 * while it is cut. "Traffic" is all but /healthz.
 *   error PERCENT     share of the traffic that is answered with 500
 *   health STATUS     what /healthz answers
 *   delay MS          traffic is answered that much later; others are served in the meantime
 *   health-delay MS   the same for /healthz
 *   health-burn MS    /healthz takes that much CPU first; nobody is served in the meantime
 *   work US           each request of the traffic takes that long, one after another: a capacity
 *   close             the next requests of the traffic are ended by FIN instead of an answer
 *   reset             the same by RST
 *   answer            ends the two before
 *   accept off|on     off: the listener stays, with a queue of one, but nobody accepts
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

struct connection {
	int fd;
	size_t used;
	char in[8192]; /* the request so far, NUL-terminated */
	uint64_t due;  /* milliseconds; when what `in` begins with is answered, 0: at once */
	struct connection *next_delayed;
};

static const char *name = "pod";
static bool failing;
static int epoll_fd, listener;
static struct connection *delayed;

/* See above. */
static struct {
	unsigned int error_percent, health_status;
	unsigned int delay_ms, health_delay_ms, health_burn_ms, work_us;
	enum { END_ANSWER, END_CLOSE, END_RESET } end;
} fault = {.health_status = 200};

static int listen_on(const char *address, const char *port)
{
	struct addrinfo hints = {
		.ai_family = address ? AF_UNSPEC : AF_INET6,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *ai;
	int on = 1, off = 0;

	if (getaddrinfo(address, port, &hints, &ai))
		return -EINVAL;

	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!address)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, BACKLOG))
		fd = -errno;
	freeaddrinfo(ai);
	return fd;
}

static uint64_t now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void burn(unsigned int ms)
{
	uint64_t end = now_ms(CLOCK_PROCESS_CPUTIME_ID) + ms;

	while (now_ms(CLOCK_PROCESS_CPUTIME_ID) < end)
		;
}

static bool wants_keep_alive(const char *request)
{
	if (strstr(request, " HTTP/1.1\r\n"))
		return !strcasestr(request, "\nConnection: close");
	return strcasestr(request, "\nConnection: keep-alive");
}

static bool is_health(const char *request)
{
	return !strncmp(request, "GET /healthz ", 13);
}

/* The status that a request gets, and its body. */
static unsigned int status_of(const char *request, const char **ret_body)
{
	unsigned int status = 200;

	*ret_body = "OK";
	if (!strncmp(request, "GET /err ", 9)) {
		failing = !failing;
		*ret_body = failing ? "failing" : "serving";
		return 200;
	}
	if (is_health(request))
		status = fault.health_status;
	else if ((unsigned int)rand() % 100 < fault.error_percent)
		status = 500;
	else if (sscanf(request, "GET /status/%3u ", &status) == 1 && status < 100)
		status = 500;
	if (failing)
		status = 500;
	if (status >= 400)
		*ret_body = "ERROR";
	else if (!strncmp(request, "GET /hostname ", 14))
		*ret_body = name;
	return status;
}

/* Ends the connection by RST. */
static void reset(int fd)
{
	struct linger linger = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* Answers one whole request. Returns whether the connection stays open. */
static bool answer(int fd, const char *request)
{
	char out[512];
	const char *body;
	bool keep = wants_keep_alive(request);

	if (is_health(request)) {
		burn(fault.health_burn_ms);
	} else if (fault.end != END_ANSWER) {
		if (fault.end == END_RESET)
			reset(fd);
		return false;
	} else if (fault.work_us) {
		usleep(fault.work_us);
	}

	unsigned int status = status_of(request, &body);
	int n = snprintf(out, sizeof(out),
			 "HTTP/1.1 %u %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
			 "X-Pod: %s\r\nConnection: %s\r\n\r\n%s",
			 status, status == 200 ? "OK" : "Fault", strlen(body), name,
			 keep ? "keep-alive" : "close", body);
	return write(fd, out, (size_t)n) == n && keep;
}

/* Whether the request has to wait; it then is in the list of those that do. */
static bool delay(struct connection *connection)
{
	unsigned int ms = is_health(connection->in) ? fault.health_delay_ms : fault.delay_ms;
	struct epoll_event event = {.data.ptr = connection};

	if (!ms || connection->due)
		return false;
	connection->due = now_ms(CLOCK_MONOTONIC) + ms;
	connection->next_delayed = delayed;
	delayed = connection;
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event); /* only that it ends */
	return true;
}

/* Answers what is whole. Returns whether the connection stays open. */
static bool answer_all(struct connection *connection)
{
	char *end;

	while ((end = strstr(connection->in, "\r\n\r\n"))) {
		size_t size = (size_t)(end - connection->in) + 4;

		if (delay(connection))
			return true;
		connection->due = 0;
		end[2] = '\0';
		if (!answer(connection->fd, connection->in))
			return false;
		connection->used -= size;
		memmove(connection->in, connection->in + size, connection->used + 1);
	}
	return connection->used < sizeof(connection->in) - 1;
}

/* Reads what is there and answers it. Returns whether the connection stays open. */
static bool serve(struct connection *connection)
{
	size_t space = sizeof(connection->in) - 1 - connection->used;
	ssize_t n = read(connection->fd, connection->in + connection->used, space);

	if (n < 0)
		return errno == EAGAIN;
	if (n == 0 || connection->due)
		return false;
	connection->used += (size_t)n;
	connection->in[connection->used] = '\0';
	return answer_all(connection);
}

static void end(struct connection *connection)
{
	for (struct connection **at = &delayed; *at; at = &(*at)->next_delayed) {
		if (*at == connection) {
			*at = connection->next_delayed;
			break;
		}
	}
	close(connection->fd);
	free(connection);
}

/* Answers those that have waited enough. Returns the milliseconds until the next one, or -1. */
static int serve_delayed(void)
{
	uint64_t now = now_ms(CLOCK_MONOTONIC), next = UINT64_MAX;
	struct connection **at = &delayed, *connection;

	while ((connection = *at)) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

		if (connection->due > now) {
			next = connection->due < next ? connection->due : next;
			at = &connection->next_delayed;
			continue;
		}
		*at = connection->next_delayed;
		epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
		if (!answer_all(connection))
			end(connection);
	}
	return next == UINT64_MAX ? -1 : (int)(next - now);
}

static void accept_all(void)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *connection = calloc(1, sizeof(*connection));
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

		if (!connection) {
			close(fd);
			continue;
		}
		connection->fd = fd;
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
	}
}

/* What is watched besides connections is known by its address. */
static int fifo = -1;

static void accept_set(bool on)
{
	struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = &listener};

	listen(listener, on ? BACKLOG : 0);
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, listener, &event);
}

static void fault_set(const char *line)
{
	char what[16], value[16] = "";
	unsigned int number = 0;

	if (sscanf(line, "%15s %15s", what, value) < 1)
		return;
	sscanf(value, "%u", &number);
	if (!strcmp(what, "error"))
		fault.error_percent = number;
	else if (!strcmp(what, "health"))
		fault.health_status = number;
	else if (!strcmp(what, "delay"))
		fault.delay_ms = number;
	else if (!strcmp(what, "health-delay"))
		fault.health_delay_ms = number;
	else if (!strcmp(what, "health-burn"))
		fault.health_burn_ms = number;
	else if (!strcmp(what, "work"))
		fault.work_us = number;
	else if (!strcmp(what, "close"))
		fault.end = END_CLOSE;
	else if (!strcmp(what, "reset"))
		fault.end = END_RESET;
	else if (!strcmp(what, "answer"))
		fault.end = END_ANSWER;
	else if (!strcmp(what, "accept"))
		accept_set(!strcmp(value, "on"));
	else
		fprintf(stderr, "webapp: no fault is called %s\n", what);
}

/* Each line is written at once, and is shorter than what a FIFO keeps together. */
static void fault_read(void)
{
	char lines[512], *rest = lines, *line;
	ssize_t n = read(fifo, lines, sizeof(lines) - 1);

	lines[n > 0 ? n : 0] = '\0';
	while ((line = strsep(&rest, "\n")))
		fault_set(line);
}

static void handle(const struct epoll_event *event)
{
	if (event->data.ptr == &listener)
		accept_all();
	else if (event->data.ptr == &fifo)
		fault_read();
	else if (!serve(event->data.ptr))
		end(event->data.ptr);
}

static void run(void)
{
	struct epoll_event events[64];
	struct epoll_event on_listener = {.events = EPOLLIN, .data.ptr = &listener};
	struct epoll_event on_fifo = {.events = EPOLLIN, .data.ptr = &fifo};

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &on_listener);
	if (fifo >= 0)
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fifo, &on_fifo);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, serve_delayed());

		for (int i = 0; i < n; i++)
			handle(&events[i]);
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: webapp [-a ADDRESS] [-n NAME] [-f FIFO] PORT\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *address = NULL, *fifo_path = NULL;
	int option;

	while ((option = getopt(argc, argv, "a:n:f:")) != -1) {
		if (option == 'a')
			address = optarg;
		else if (option == 'n')
			name = optarg;
		else if (option == 'f')
			fifo_path = optarg;
		else
			return usage();
	}
	if (optind != argc - 1)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	srand((unsigned int)getpid());
	if (fifo_path) {
		fifo = open(fifo_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fifo < 0) {
			perror(fifo_path);
			return 1;
		}
	}

	listener = listen_on(address, argv[optind]);
	if (listener < 0) {
		fprintf(stderr, "webapp: port %s: %s\n", argv[optind], strerror(-listener));
		return 1;
	}
	run();
}

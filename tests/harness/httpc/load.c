/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include "answer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE (128U << 10)

struct record {
	int64_t start_us; /* since the epoch */
	int64_t latency_us;
	const char *error; /* NULL if it succeeded */
};

struct load {
	const struct load_options *options;
	struct record *records;
	atomic_uint next;
	int64_t start_us;
	size_t text_size;
	char text[4096]; /* a request */
};

/* One connection after another, in a thread. */
struct worker {
	pthread_t thread;
	struct load *load;
	struct io *io;
	int fd; /* -1: not connected */
};

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static const char *status_error(unsigned int status)
{
	switch (status) {
	case 500:
		return "500";
	case 502:
		return "502";
	case 503:
		return "503";
	case 504:
		return "504";
	default:
		return "status";
	}
}

static void disconnect(struct worker *worker)
{
	if (worker->fd >= 0)
		close(worker->fd);
	worker->fd = -1;
}

/* Returns NULL or how it failed. */
static const char *request_run(struct worker *worker)
{
	const struct load *load = worker->load;
	const struct load_options *options = load->options;
	struct answer answer = {.close = true};

	if (worker->fd < 0)
		worker->fd = io_connect(worker->io, options->address, options->address_size);
	if (worker->fd < 0)
		return strerrorname_np(-worker->fd);

	int sent = io_send(worker->io, worker->fd, load->text, load->text_size);
	const char *error =
		sent ? strerrorname_np(-sent) : answer_receive(worker->io, worker->fd, &answer);
	if (!error && answer.status != 200)
		error = status_error(answer.status);
	if (answer.close || !options->keep_alive)
		disconnect(worker);
	return error;
}

/* When request number n is due: at once, or as the rate has it. */
static int64_t wait_due(const struct load *load, unsigned int n)
{
	int64_t now = now_us(), due = now;

	if (load->options->rate == 0)
		return now;
	due = load->start_us + (int64_t)n * 1000000 / load->options->rate;
	if (due > now)
		usleep((useconds_t)(due - now));
	return due;
}

static void *worker_run(void *argument)
{
	struct worker *worker = argument;
	struct load *load = worker->load;
	unsigned int n;

	while ((n = atomic_fetch_add(&load->next, 1)) < load->options->requests) {
		struct record *record = &load->records[n];
		record->start_us = wait_due(load, n);
		record->error = request_run(worker);
		record->latency_us = now_us() - record->start_us;
	}
	disconnect(worker);
	return NULL;
}

static int compare_latency(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int report(const struct load *load)
{
	const struct load_options *options = load->options;
	unsigned int failed = 0, count = options->requests;
	double seconds = (double)(now_us() - load->start_us) / 1e6;
	int64_t *latencies = calloc(count, sizeof(*latencies));
	const char *first = "none";

	if (!latencies)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++) {
		const struct record *record = &load->records[i];
		latencies[i] = record->latency_us;
		if (record->error && failed++ == 0)
			first = record->error;
		if (options->records)
			fprintf(options->records, "%ld %ld %s\n", record->start_us,
				record->latency_us, record->error ?: "ok");
	}
	qsort(latencies, count, sizeof(*latencies), compare_latency);
	printf("requests=%u failed=%u p50_us=%ld p99_us=%ld max_us=%ld rate=%.0f first=%s\n", count,
	       failed, latencies[count / 2], latencies[(size_t)count * 99 / 100],
	       latencies[count - 1], count / seconds, first);
	free(latencies);
	return (int)failed;
}

static int text_make(struct load *load)
{
	const struct load_options *options = load->options;
	char length[64] = "";

	if (*options->body)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(options->body));
	int size = snprintf(load->text, sizeof(load->text),
			    "%s %s HTTP/1.1\r\nHost: test\r\n%s%s\r\n%s", options->method,
			    options->path, length,
			    options->keep_alive ? "" : "Connection: close\r\n", options->body);
	if (size < 0 || (size_t)size >= sizeof(load->text))
		return -E2BIG;
	load->text_size = (size_t)size;
	return 0;
}

/* Starts the workers and waits for them. */
static int workers_run(struct load *load, struct worker *workers)
{
	unsigned int count = load->options->concurrency, started = 0;
	pthread_attr_t attributes;
	int error = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	for (; started < count && !error; started++) {
		struct worker *worker = &workers[started];
		*worker = (struct worker){.load = load, .fd = -1};
		worker->io = io_open(load->options->style, load->options->timeout_ms);
		if (!worker->io)
			error = -ENOSYS;
		else
			error = -pthread_create(&worker->thread, &attributes, worker_run, worker);
		if (error)
			break;
	}
	for (unsigned int i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned int i = 0; i < count; i++)
		io_close(workers[i].io);
	pthread_attr_destroy(&attributes);
	return error;
}

int load_run(const struct load_options *options)
{
	struct load load = {.options = options, .start_us = now_us()};
	struct worker *workers = calloc(options->concurrency, sizeof(*workers));
	int result = text_make(&load);

	load.records = calloc(options->requests, sizeof(*load.records));
	if (!result && !(workers && load.records))
		result = -ENOMEM;
	if (!result)
		result = workers_run(&load, workers);
	if (!result)
		result = report(&load);
	free(load.records);
	free(workers);
	return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include "answer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STACK_SIZE (128U << 10)

struct load {
	const struct load_options *options;
	atomic_uint next, failed;
	_Atomic(const char *) first; /* how the first failed one failed */
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

static void *worker_run(void *argument)
{
	struct worker *worker = argument;
	struct load *load = worker->load;

	while (atomic_fetch_add(&load->next, 1) < load->options->requests) {
		const char *error = request_run(worker);
		if (error && atomic_fetch_add(&load->failed, 1) == 0)
			load->first = error;
	}
	disconnect(worker);
	return NULL;
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
	struct load load = {.options = options, .first = "none"};
	struct worker *workers = calloc(options->concurrency, sizeof(*workers));
	int result = text_make(&load);

	if (!result)
		result = workers ? workers_run(&load, workers) : -ENOMEM;
	free(workers);
	if (result)
		return result;
	printf("requests=%u failed=%u first=%s\n", options->requests, load.failed, load.first);
	return (int)load.failed;
}

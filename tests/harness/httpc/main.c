/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP client on each style of I/O that applications use: blocking, epoll, edge, uring (io.h).
 *
 * usage: httpc raw  [-i STYLE] [-t MS] [-s BYTES] [-w MS] ADDRESS PORT <REQUEST >RESPONSE
 *        httpc load [-i STYLE] [-t MS] [-k] [-c N] [-n N] [-m METHOD] [-p PATH] [-b BODY] ADDRESS PORT
 *
 * raw sends stdin as it is, in pieces of BYTES with MS between them, and writes what comes, as it is; how
 * the connection ended is "end=TEXT" on stderr (raw.h). load sends N requests over N connections at a time,
 * kept alive with -k, and prints what became of them; its exit status is 1 if one failed (load.h).
 */
#include "load.h"
#include "raw.h"

#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arguments {
	struct load_options load;
	struct raw_options raw;
};

static int usage(void)
{
	fprintf(stderr, "usage: httpc raw|load [OPTION...] ADDRESS PORT, see its source\n");
	return 2;
}

/* Returns whether the option is understood. */
static bool option_parse(int option, const char *value, struct arguments *ret)
{
	switch (option) {
	case 'i':
		return (ret->load.style = io_style_find(value));
	case 't':
		return sscanf(value, "%d", &ret->load.timeout_ms) == 1;
	case 's':
		return sscanf(value, "%zu", &ret->raw.piece) == 1 && ret->raw.piece > 0;
	case 'w':
		return sscanf(value, "%u", &ret->raw.pause_ms) == 1;
	case 'k':
		return ret->load.keep_alive = true;
	case 'c':
		return sscanf(value, "%u", &ret->load.concurrency) == 1 && ret->load.concurrency;
	case 'n':
		return sscanf(value, "%u", &ret->load.requests) == 1 && ret->load.requests;
	case 'm':
		return (ret->load.method = value);
	case 'p':
		return (ret->load.path = value);
	case 'b':
		return (ret->load.body = value);
	default:
		return false;
	}
}

static int run_raw(const struct arguments *arguments)
{
	const struct load_options *load = &arguments->load;
	struct io *io = io_open(load->style, load->timeout_ms);

	if (!io) {
		fprintf(stderr, "httpc: %s is not to be had here\n", load->style->name);
		return 2;
	}
	fprintf(stderr, "end=%s\n",
		raw_exchange(io, load->address, load->address_size, &arguments->raw));
	io_close(io);
	return 0;
}

static int run_load(const struct arguments *arguments)
{
	int failed = load_run(&arguments->load);

	if (failed < 0) {
		fprintf(stderr, "httpc: %s\n", strerror(-failed));
		return 2;
	}
	return failed > 0;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct arguments arguments = {
		.load = {.style = &io_blocking,
			 .method = "GET",
			 .path = "/",
			 .body = "",
			 .concurrency = 1,
			 .requests = 1,
			 .timeout_ms = 5000},
		.raw = {.piece = SIZE_MAX / 2},
	};
	struct addrinfo *ai;
	int option;

	if (argc < 2 || (strcmp(argv[1], "raw") && strcmp(argv[1], "load")))
		return usage();
	optind = 2;
	while ((option = getopt(argc, argv, "i:t:s:w:kc:n:m:p:b:")) != -1) {
		if (!option_parse(option, optarg, &arguments))
			return usage();
	}
	if (optind != argc - 2 || getaddrinfo(argv[optind], argv[optind + 1], &hints, &ai))
		return usage();
	arguments.load.address = ai->ai_addr;
	arguments.load.address_size = ai->ai_addrlen;

	int status = strcmp(argv[1], "raw") ? run_load(&arguments) : run_raw(&arguments);
	freeaddrinfo(ai);
	return status;
}

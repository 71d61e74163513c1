/* SPDX-License-Identifier: Apache-2.0 */
#include "response.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_LIMIT (64U << 20)
#define ODD_HEADER 6000 /* bytes of the longest header, less than a client's limit of 8 KiB */

struct frame {
	const struct request *request;
	size_t size;
	unsigned int status, seed;
	bool head_only;
	bool close; /* set by kinds that end the connection */
};

/* All byte values, no period that a repeated, lost or swapped piece could hide in. */
static void body_print(FILE *out, const struct frame *frame, size_t from, size_t size)
{
	for (size_t i = from; i < from + size; i++)
		putc((int)((((uint32_t)i + frame->seed) * 2654435761U) >> 13 & 0xff), out);
}

static const char *reason(unsigned int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 201:
		return "Created";
	case 204:
		return "No Content";
	case 304:
		return "Not Modified";
	case 404:
		return "Not Found";
	case 500:
		return "Internal Server Error";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return "Status";
	}
}

static void status_print(FILE *out, const struct frame *frame)
{
	fprintf(out, "HTTP/1.1 %u %s\r\nContent-Type: application/octet-stream\r\n", frame->status,
		reason(frame->status));
}

/* Ends a head. Without a Connection header HTTP/1.1 leaves the connection open, HTTP/1.0 does not. */
static void head_end(FILE *out, const struct frame *frame)
{
	if (!frame->request->keep_alive)
		fputs("Connection: close\r\n", out);
	else if (frame->request->http10)
		fputs("Connection: keep-alive\r\n", out);
	fputs("\r\n", out);
}

static void length_end(FILE *out, const struct frame *frame)
{
	fprintf(out, "Content-Length: %zu\r\n", frame->size);
	head_end(out, frame);
	if (!frame->head_only)
		body_print(out, frame, 0, frame->size);
}

static void print_length(FILE *out, struct frame *frame)
{
	status_print(out, frame);
	length_end(out, frame);
}

/* The request itself, as it arrived. */
static void print_echo(FILE *out, struct frame *frame)
{
	status_print(out, frame);
	fprintf(out, "Content-Length: %zu\r\n", frame->request->size);
	head_end(out, frame);
	if (!frame->head_only)
		fwrite(frame->request->bytes, 1, frame->request->size, out);
}

/* Chunks of 1, 3, 9 … bytes, and again from 1 when that exceeds 20 000. */
static void chunks_print(FILE *out, const struct frame *frame, const char *extension)
{
	size_t chunk = 1;

	for (size_t at = 0; at<frame->size; at += chunk, chunk = chunk> 20000 ? 1 : chunk * 3) {
		if (chunk > frame->size - at)
			chunk = frame->size - at;
		fprintf(out, "%zx%s\r\n", chunk, extension);
		body_print(out, frame, at, chunk);
		fputs("\r\n", out);
	}
	fprintf(out, "0%s\r\n", extension);
}

static void chunked_print(FILE *out, struct frame *frame, const char *header, const char *extension,
			  const char *trailers)
{
	status_print(out, frame);
	fprintf(out, "Transfer-Encoding: chunked\r\n%s", header);
	head_end(out, frame);
	if (frame->head_only)
		return;
	chunks_print(out, frame, extension);
	fprintf(out, "%s\r\n", trailers);
}

static void print_chunked(FILE *out, struct frame *frame)
{
	chunked_print(out, frame, "", "", "");
}

static void print_trailers(FILE *out, struct frame *frame)
{
	chunked_print(out, frame, "Trailer: X-Digest, X-Rows\r\n", "",
		      "X-Digest: 0123456789abcdef\r\nX-Rows: 42\r\n");
}

static void print_extensions(FILE *out, struct frame *frame)
{
	chunked_print(out, frame, "", ";name=value;quoted=\"a;b\"", "");
}

static void print_close(FILE *out, struct frame *frame)
{
	frame->close = true;
	status_print(out, frame);
	fputs("Connection: close\r\n\r\n", out);
	if (!frame->head_only)
		body_print(out, frame, 0, frame->size);
}

/* Close-delimited without a header that says so. */
static void print_silent_close(FILE *out, struct frame *frame)
{
	frame->close = true;
	status_print(out, frame);
	fputs("\r\n", out);
	if (!frame->head_only)
		body_print(out, frame, 0, frame->size);
}

static void print_http10(FILE *out, struct frame *frame)
{
	frame->close = true;
	fprintf(out, "HTTP/1.0 %u %s\r\n\r\n", frame->status, reason(frame->status));
	if (!frame->head_only)
		body_print(out, frame, 0, frame->size);
}

static void print_http10_length(FILE *out, struct frame *frame)
{
	const char *connection = frame->request->keep_alive ? "keep-alive" : "close";

	frame->close = !frame->request->keep_alive;
	fprintf(out, "HTTP/1.0 %u %s\r\nConnection: %s\r\nContent-Length: %zu\r\n\r\n",
		frame->status, reason(frame->status), connection, frame->size);
	if (!frame->head_only)
		body_print(out, frame, 0, frame->size);
}

static void print_empty(FILE *out, struct frame *frame)
{
	frame->status = 204;
	status_print(out, frame);
	head_end(out, frame);
}

/* Has the length of what it does not send. */
static void print_not_modified(FILE *out, struct frame *frame)
{
	frame->status = 304;
	status_print(out, frame);
	fprintf(out, "ETag: \"1\"\r\nContent-Length: %zu\r\n", frame->size);
	head_end(out, frame);
}

static void print_informational(FILE *out, struct frame *frame)
{
	fputs("HTTP/1.1 102 Processing\r\n\r\n"
	      "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
	      out);
	print_length(out, frame);
}

static void print_hop(FILE *out, struct frame *frame)
{
	status_print(out, frame);
	fputs("Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5, max=100\r\nX-Hop: 1\r\n"
	      "Proxy-Connection: keep-alive\r\nX-End: 2\r\n",
	      out);
	length_end(out, frame);
}

static void print_lower(FILE *out, struct frame *frame)
{
	fprintf(out, "HTTP/1.1 %u ok\r\nserver: a\r\nconnection: %s\r\ncontent-length: %zu\r\n\r\n",
		frame->status, frame->request->keep_alive ? "keep-alive" : "close", frame->size);
	if (!frame->head_only)
		body_print(out, frame, 0, frame->size);
}

static void print_upper(FILE *out, struct frame *frame)
{
	fprintf(out, "HTTP/1.1 %u OK\r\nSERVER: A\r\nCONNECTION: %s\r\nCONTENT-LENGTH: %zu\r\n\r\n",
		frame->status, frame->request->keep_alive ? "KEEP-ALIVE" : "CLOSE", frame->size);
	if (!frame->head_only)
		body_print(out, frame, 0, frame->size);
}

/* Line folding, which RFC 9112 5.2 deprecates but servers still send. */
static void print_fold(FILE *out, struct frame *frame)
{
	status_print(out, frame);
	fputs("X-Folded: one\r\n two\r\n\tthree\r\nX-After: 1\r\n", out);
	length_end(out, frame);
}

/* What a parser may stumble over, all of it allowed. */
static void print_odd(FILE *out, struct frame *frame)
{
	fprintf(out, "HTTP/1.1 %u \r\nX-None:\r\nX-Tight:1\r\nX-Wide: \t 2 \t \r\nX-Twice: 1\r\n",
		frame->status);
	fputs("X-Twice: 2\r\nX-Connection: close\r\nX-Value: Connection: close\r\n"
	      "X-Latin: \xe9\xff\r\nX-Long: ",
	      out);
	for (int i = 0; i < ODD_HEADER; i++)
		putc('a' + i % 26, out);
	fputs("\r\n", out);
	length_end(out, frame);
}

/* Lines that end with LF alone, which RFC 9112 2.2 lets a recipient accept. */
static void print_bare_lf(FILE *out, struct frame *frame)
{
	fprintf(out, "HTTP/1.1 %u OK\nX-Bare: 1\nContent-Length: %zu\n%s\n", frame->status,
		frame->size, frame->request->keep_alive ? "" : "Connection: close\n");
	if (!frame->head_only)
		body_print(out, frame, 0, frame->size);
}

static const struct kind {
	const char *name;
	void (*print)(FILE *out, struct frame *frame);
} kinds[] = {
	{"length", print_length},
	{"chunked", print_chunked},
	{"trailers", print_trailers},
	{"extensions", print_extensions},
	{"close", print_close},
	{"silent-close", print_silent_close},
	{"http10", print_http10},
	{"http10-length", print_http10_length},
	{"empty", print_empty},
	{"not-modified", print_not_modified},
	{"informational", print_informational},
	{"hop", print_hop},
	{"lower", print_lower},
	{"upper", print_upper},
	{"fold", print_fold},
	{"odd", print_odd},
	{"bare-lf", print_bare_lf},
	{"echo", print_echo},
};

/* Sets what one option, "NAME=NUMBER" or "reset", says. Returns whether it is one. */
static bool option_set(const char *option, struct frame *frame, struct response *response)
{
	const struct {
		const char *format;
		unsigned int *target;
	} numbers[] = {{"status=%u", &frame->status}, {"seed=%u", &frame->seed}};
	const struct {
		const char *format;
		size_t *target;
	} sizes[] = {{"piece=%zu", &response->piece}, {"cut=%zu", &response->cut}};

	for (size_t i = 0; i < 2; i++) {
		if (sscanf(option, numbers[i].format, numbers[i].target) == 1 ||
		    sscanf(option, sizes[i].format, sizes[i].target) == 1)
			return true;
	}
	if (!strcmp(option, "reset"))
		return response->cut_reset = true;
	return sscanf(option, "pause=%u", &response->pause_us) == 1;
}

/* Returns the kind that the path names, or NULL. */
static const struct kind *path_parse(const char *path, struct frame *frame,
				     struct response *response)
{
	char name[32], options[256] = "", *rest = options, *option;

	if (sscanf(path, "/%31[a-z0-9-]/%zu?%255s", name, &frame->size, options) < 2 ||
	    frame->size > SIZE_LIMIT)
		return NULL;
	while ((option = strsep(&rest, "&"))) {
		if (*option && !option_set(option, frame, response))
			return NULL;
	}
	if (response->piece == 0)
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	}
	return NULL;
}

int response_make(const struct request *request, struct response *ret_response)
{
	struct response response = {.piece = SIZE_MAX, .cut = SIZE_MAX};
	struct frame frame = {
		.request = request,
		.status = 200,
		.head_only = !strcmp(request->method, "HEAD"),
		.close = !request->keep_alive,
	};
	const struct kind *kind = path_parse(request->path, &frame, &response);

	if (!kind)
		return response_make_status(400, request, ret_response);

	FILE *out = open_memstream(&response.bytes, &response.size);
	if (!out)
		return -ENOMEM;
	kind->print(out, &frame);
	if (fclose(out))
		return -ENOMEM;
	response.close = frame.close;
	*ret_response = response;
	return 0;
}

int response_make_status(unsigned int status, const struct request *request,
			 struct response *ret_response)
{
	struct response response = {
		.piece = SIZE_MAX,
		.cut = SIZE_MAX,
		.close = !request->keep_alive,
	};
	struct frame frame = {
		.request = request,
		.size = 10,
		.status = status,
		.head_only = !strcmp(request->method, "HEAD"),
	};
	FILE *out = open_memstream(&response.bytes, &response.size);

	if (!out)
		return -ENOMEM;
	print_length(out, &frame);
	if (fclose(out))
		return -ENOMEM;
	*ret_response = response;
	return 0;
}

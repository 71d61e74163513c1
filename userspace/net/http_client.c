/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is one transfer. What has been seen of the answer decides more than libcurl's code
 * does: it takes a connection that is closed amid the headers for a success, and our own "enough"
 * to a long body for a failure.
 */
#include "net/http_client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "net/transfer.h"
#include "net/transfer_error.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 10 * 1024, DETAIL_SIZE = 64, REDIRECTS_MAX = 10 };

struct http_client {
	struct transfers *transfers;
};

struct http_request {
	struct transfer transfer;
	void (*done)(void *arg, const struct http_result *result);
	void *arg;
	struct curl_slist *headers;    /* to be sent */
	struct curl_slist *connect_to; /* libcurl's form of http_get.address */
	bool follow;
	unsigned int redirects;
	uint64_t deadline;
	int grpc_status;
	size_t body_size; /* read so far */
	uint8_t body[HTTP_BODY_KEPT];
	bool headers_complete; /* of the last answer: there may be interim ones (1xx) before it */
};

static void cleanup_client(struct http_client **client)
{
	http_client_free(*client);
}

int http_client_new(struct loop *loop, struct http_client **ret)
{
	_cleanup_(cleanup_client) struct http_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return -ENOMEM;
	r = transfers_new(loop, &client->transfers);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(client);
	return 0;
}

void http_client_free(struct http_client *client)
{
	struct transfer *transfer;

	if (!client)
		return;
	while (client->transfers && (transfer = transfers_first(client->transfers)))
		http_request_cancel(container_of(transfer, struct http_request, transfer));
	transfers_free(client->transfers);
	free(client);
}

/* Result */

/* Our own "enough" is no failure. */
static CURLcode real_code(const struct http_request *request, CURLcode code)
{
	if (code == CURLE_WRITE_ERROR && request->body_size > BODY_MAX)
		return CURLE_OK;
	if (code == CURLE_OK && !request->headers_complete)
		return CURLE_GOT_NOTHING;
	return code;
}

static long timeout_to_ms(uint64_t timeout)
{
	uint64_t ms = timeout / NSEC_PER_MSEC + !!(timeout % NSEC_PER_MSEC);

	if (ms == 0)
		return 1; /* 0 would be "none" */
	return ms > INT_MAX ? INT_MAX : (long)ms;
}

static void cleanup_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void cleanup_curl_str(char **text)
{
	curl_free(*text);
}

static char *host_of(const char *text)
{
	_cleanup_(cleanup_url) CURLU *url = curl_url();
	char *host = NULL;

	if (url && !curl_url_set(url, CURLUPART_URL, text, 0))
		curl_url_get(url, CURLUPART_HOST, &host, 0);
	return host;
}

static bool is_same_host(const char *a, const char *b)
{
	_cleanup_(cleanup_curl_str) char *host = host_of(a), *other = host_of(b);

	return host && other && !strcasecmp(host, other);
}

/* kubelet's way. Returns whether the request goes on at another place of the same host. */
static bool follow(struct http_request *request)
{
	CURL *easy = request->transfer.easy;
	uint64_t now = clock_now();
	char *from = NULL, *to = NULL;

	if (!request->follow || request->redirects == REDIRECTS_MAX || now >= request->deadline)
		return false;
	curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &from);
	curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &to);
	if (!from || !to || !is_same_host(from, to) ||
	    curl_easy_setopt(easy, CURLOPT_URL, to) != CURLE_OK)
		return false;
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_to_ms(request->deadline - now));
	request->redirects++;
	request->body_size = 0;
	request->headers_complete = false;
	return !transfer_again(&request->transfer);
}

static void set_result(const struct http_request *request, CURLcode code, long status,
		       long os_errno, char *detail, struct http_result *ret)
{
	*ret = (struct http_result){.detail = detail, .grpc_status = request->grpc_status};
	code = real_code(request, code);
	if (code == CURLE_OK) {
		ret->status = (int)status;
		ret->body = request->body;
		ret->body_size = request->body_size;
		snprintf(detail, DETAIL_SIZE, "HTTP %ld", status);
	} else {
		ret->error = transfer_error(code, os_errno);
		ret->detail = transfer_error_str(ret->error, code);
	}
}

static void get_done(struct transfer *transfer, CURLcode code)
{
	struct http_request *request = container_of(transfer, struct http_request, transfer);
	struct http_request ended;
	char detail[DETAIL_SIZE];
	struct http_result result;
	long status = 0, os_errno = 0;

	if (real_code(request, code) == CURLE_OK && follow(request))
		return;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno);
	ended = *request;
	http_request_cancel(request);
	set_result(&ended, code, status, os_errno, detail, &result);
	ended.done(ended.arg, &result);
}

/* Request */

/* Returns -1 for what is no number. */
static int grpc_status_of(const char *text, size_t size)
{
	int status = -1;

	for (; size && *text == ' '; size--)
		text++;
	for (; size && *text >= '0' && *text <= '9' && status < 1000; size--)
		status = (status < 0 ? 0 : status * 10) + (*text++ - '0');
	return status;
}

/* Trailers come here, too. */
static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	static const char grpc_status[] = "grpc-status:";
	const size_t name_size = sizeof(grpc_status) - 1;
	struct http_request *request = arg;

	if (count >= 5 && memcmp(line, "HTTP/", 5) == 0)
		request->headers_complete = false;
	else if (line[0] == '\r' || line[0] == '\n')
		request->headers_complete = true;
	else if (count > name_size && strncasecmp(line, grpc_status, name_size) == 0)
		request->grpc_status = grpc_status_of(line + name_size, count - name_size);
	return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_request *request = arg;
	size_t bytes = size * count, room = 0;

	if (request->body_size < sizeof(request->body))
		room = sizeof(request->body) - request->body_size;
	if (room)
		memcpy(request->body + request->body_size, data, bytes < room ? bytes : room);
	request->body_size += bytes;
	return request->body_size > BODY_MAX ? 0 : bytes;
}

/*
 * A connection for one request ends with RST, without TIME_WAIT: at ten per second and server
 * those would use up local ports and conntrack entries. The server was told to close, so it does
 * not wait for more. A linger time above 0 is no alternative: it leaves TIME_WAIT as it is, and
 * close() blocks for that time if the server does not acknowledge, on non-blocking sockets, too.
 */
static int reset_on_close(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	(void)arg;
	(void)purpose;
	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0 ? CURL_SOCKOPT_ERROR
										: CURL_SOCKOPT_OK;
}

static int add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

static int set_fresh(struct http_request *request, const struct http_get *get)
{
	CURL *easy = request->transfer.easy;

	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, reset_on_close);
	return get->grpc ? 0 : add_line(&request->headers, "Connection: close");
}

/* "::ADDRESS:" would be for all hosts; a redirect stays with its own. */
static int set_address(struct http_request *request, const struct http_get *get)
{
	_cleanup_(cleanup_curl_str) char *host = host_of(get->url);
	char line[512];
	int r;

	if (!host)
		return -EINVAL;
	snprintf(line, sizeof(line), "%s::%s:", host, get->address);
	r = add_line(&request->connect_to, line);
	if (r < 0)
		return r;
	curl_easy_setopt(request->transfer.easy, CURLOPT_CONNECT_TO, request->connect_to);
	snprintf(line, sizeof(line), "Host: %s", host);
	return add_line(&request->headers, line);
}

static int set_grpc(struct http_request *request, const struct http_get *get)
{
	CURL *easy = request->transfer.easy;

	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)get->grpc_size);
	if (curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, get->grpc) != CURLE_OK ||
	    add_line(&request->headers, "Content-Type: application/grpc") < 0)
		return -ENOMEM;
	return add_line(&request->headers, "TE: trailers");
}

/*
 * libcurl leaves out what it sends itself for "Name:", so it also does for others; "Name;" is its
 * form of an empty header.
 */
static int add_header(struct http_request *request, const char *line, size_t len)
{
	_cleanup_free_ char *text = strndup(line, len);
	char *value = text ? strstr(text, ": ") : NULL;
	bool is_curls;

	if (!text)
		return -ENOMEM;
	if (!value)
		return -EINVAL;
	is_curls = !strncasecmp(text, "User-Agent:", 11) || !strncasecmp(text, "Accept:", 7);
	if (!value[2] && !is_curls)
		value[0] = ';';
	if (!value[2])
		value[1] = 0;
	return add_line(&request->headers, text);
}

static int add_headers(struct http_request *request, const char *lines)
{
	int r = 0;

	while (!r && *lines) {
		size_t len = strcspn(lines, "\n");

		r = add_header(request, lines, len);
		lines += len + (lines[len] == '\n');
	}
	return r;
}

static int set_headers(struct http_request *request, const struct http_get *get)
{
	int r = get->address ? set_address(request, get) : 0;

	if (!r && get->headers)
		r = add_headers(request, get->headers);

	if (!r && get->grpc)
		r = set_grpc(request, get);
	if (!r && get->fresh)
		r = set_fresh(request, get);
	if (!r && request->headers)
		curl_easy_setopt(request->transfer.easy, CURLOPT_HTTPHEADER, request->headers);
	return r;
}

static int set_options(struct http_request *request, const struct http_get *get)
{
	CURL *easy = request->transfer.easy;

	if (curl_easy_setopt(easy, CURLOPT_URL, get->url) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_USERAGENT, get->user_agent) != CURLE_OK)
		return -ENOMEM;
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_to_ms(get->timeout));
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BODY_MAX);
	/* Hosts are addresses. libcurl walks through its whole cache after each transfer. */
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	/* kubelet does not, either: pods sign their own. */
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	return set_headers(request, get);
}

static void request_free(struct http_request *request)
{
	curl_slist_free_all(request->headers);
	curl_slist_free_all(request->connect_to);
	free(request);
}

static void cleanup_request(struct http_request **request)
{
	if (*request)
		request_free(*request);
}

int http_client_get(struct http_client *client, const struct http_get *get,
		    struct http_request **ret)
{
	_cleanup_(cleanup_request) struct http_request *request = calloc(1, sizeof(*request));
	int r;

	if (!request)
		return -ENOMEM;
	request->done = get->done;
	request->arg = get->arg;
	request->follow = get->follow;
	request->deadline = clock_now() + get->timeout;
	request->grpc_status = -1;
	request->transfer.done = get_done;
	r = transfer_init(client->transfers, &request->transfer);
	if (r < 0)
		return r;
	r = set_options(request, get);
	if (r < 0) {
		transfer_end(&request->transfer);
		return r;
	}
	r = transfer_start(&request->transfer);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(request);
	return 0;
}

void http_request_cancel(struct http_request *request)
{
	if (!request)
		return;
	transfer_end(&request->transfer);
	request_free(request);
}

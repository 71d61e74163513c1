/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is one transfer. What has been seen of the answer decides more than libcurl's code
 * does: it takes a connection that is closed amid the headers for a success, and our own "enough"
 * to a long body for a failure.
 */
#include "net/http_client.h"

#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "net/transfer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 10 * 1024, DETAIL_SIZE = 64 };

struct http_client {
	struct transfers *transfers;
	struct curl_slist *close_header; /* for fresh requests */
};

struct http_request {
	struct transfer transfer;
	void (*done)(void *arg, const struct http_result *result);
	void *arg;
	size_t body_size;      /* read so far */
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
	client->close_header = curl_slist_append(NULL, "Connection: close");
	if (!client->close_header)
		return -ENOMEM;
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
	curl_slist_free_all(client->close_header);
	free(client);
}

/* Result */

static int error_from_os(long os_errno)
{
	switch (os_errno) {
	case ECONNREFUSED:
	case ECONNRESET:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return (int)-os_errno;
	case EPIPE:
		return -ECONNRESET;
	default:
		return -EIO;
	}
}

static int error_from_code(CURLcode code, long os_errno)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return -ECONNRESET;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: no status line */
		return -EPROTO;
	case CURLE_RECV_ERROR: /* without an errno: chunks that make no sense */
		return os_errno ? error_from_os(os_errno) : -EPROTO;
	case CURLE_COULDNT_CONNECT:
	case CURLE_SEND_ERROR:
		return error_from_os(os_errno);
	default:
		return -EIO;
	}
}

static const char *error_to_str(int error, CURLcode code)
{
	switch (error) {
	case -ECONNREFUSED:
		return "connection refused";
	case -ECONNRESET:
		return code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR
			       ? "connection reset"
			       : "closed before the end of the answer";
	case -ETIMEDOUT:
		return "timed out";
	case -EHOSTUNREACH:
		return "no route to host";
	case -ENETUNREACH:
		return "network unreachable";
	case -EPROTO:
		return "answer is not HTTP";
	default:
		return curl_easy_strerror(code);
	}
}

/* Our own "enough" is no failure. */
static CURLcode real_code(const struct http_request *request, CURLcode code)
{
	if (code == CURLE_WRITE_ERROR && request->body_size > BODY_MAX)
		return CURLE_OK;
	if (code == CURLE_OK && !request->headers_complete)
		return CURLE_GOT_NOTHING;
	return code;
}

static void get_done(struct transfer *transfer, CURLcode code)
{
	struct http_request *request = container_of(transfer, struct http_request, transfer);
	struct http_request ended = *request;
	char detail[DETAIL_SIZE];
	struct http_result result = {.detail = detail};
	long status = 0, os_errno = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno);
	http_request_cancel(request);

	code = real_code(&ended, code);
	if (code == CURLE_OK) {
		result.status = (int)status;
		snprintf(detail, sizeof(detail), "HTTP %ld", status);
	} else {
		result.error = error_from_code(code, os_errno);
		result.detail = error_to_str(result.error, code);
	}
	ended.done(ended.arg, &result);
}

/* Request */

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct http_request *request = arg;

	if (count >= 5 && memcmp(line, "HTTP/", 5) == 0)
		request->headers_complete = false;
	else if (line[0] == '\r' || line[0] == '\n')
		request->headers_complete = true;
	return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_request *request = arg;

	(void)data;
	request->body_size += size * count;
	return request->body_size > BODY_MAX ? 0 : size * count;
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

static void set_fresh(const struct http_client *client, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->close_header);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, reset_on_close);
}

static long timeout_to_ms(uint64_t timeout)
{
	uint64_t ms = timeout / NSEC_PER_MSEC + !!(timeout % NSEC_PER_MSEC);

	if (ms == 0)
		return 1; /* 0 would be "none" */
	return ms > INT_MAX ? INT_MAX : (long)ms;
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
	return 0;
}

int http_client_get(struct http_client *client, const struct http_get *get,
		    struct http_request **ret)
{
	_cleanup_free_ struct http_request *request = calloc(1, sizeof(*request));
	int r;

	if (!request)
		return -ENOMEM;
	request->done = get->done;
	request->arg = get->arg;
	request->transfer.done = get_done;
	r = transfer_init(client->transfers, &request->transfer);
	if (r < 0)
		return r;
	r = set_options(request, get);
	if (r < 0) {
		transfer_end(&request->transfer);
		return r;
	}
	if (get->fresh)
		set_fresh(client, request->transfer.easy);
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
	free(request);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_stream.h"

#include "base/cleanup.h"
#include "base/container_of.h"
#include "net/transfer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	CONNECT_TIMEOUT = 10,        /* s */
	KEEPALIVE_IDLE = 20,         /* s */
	KEEPALIVE_INTERVAL = 10,     /* s */
	KEEPALIVE_COUNT = 3,         /* unanswered ones that end a connection */
	UNACKNOWLEDGED_TIME = 30000, /* ms */
};

struct http_streams {
	struct transfers *transfers;
};

struct http_stream {
	struct transfer transfer;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	void (*head)(void *arg, int status, const char *peer);
	void (*data)(void *arg, const char *bytes, size_t size);
	void (*done)(void *arg, const struct http_stream_end *end);
	void *arg;
	bool begun; /* the head of the final answer has come */
	char error[CURL_ERROR_SIZE];
};

static void cleanup_streams(struct http_streams **streams)
{
	http_streams_free(*streams);
}

int http_streams_new(struct loop *loop, struct http_streams **ret)
{
	_cleanup_(cleanup_streams) struct http_streams *streams = calloc(1, sizeof(*streams));
	int r;

	if (!streams)
		return -ENOMEM;
	r = transfers_new(loop, &streams->transfers);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(streams);
	return 0;
}

void http_streams_free(struct http_streams *streams)
{
	struct transfer *transfer;

	if (!streams)
		return;
	while (streams->transfers && (transfer = transfers_first(streams->transfers)))
		http_stream_cancel(container_of(transfer, struct http_stream, transfer));
	transfers_free(streams->transfers);
	free(streams);
}

/* End */

static int error_from_connect(long os_errno)
{
	return os_errno ? (int)-os_errno : -ECONNREFUSED;
}

static int error_from_code(CURLcode code, long os_errno)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EADDRNOTAVAIL;
	case CURLE_COULDNT_CONNECT:
		return error_from_connect(os_errno);
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return -ECONNRESET;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ISSUER_ERROR:
		return -EACCES;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_SSL_CONNECT_ERROR:
		return -EPROTO;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

/* Resolving that takes too long is a time-out of connecting to libcurl. */
static bool was_resolved(CURL *easy, CURLcode code)
{
	curl_off_t resolved = 0;

	if (code != CURLE_OPERATION_TIMEDOUT)
		return true;
	return curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved) == CURLE_OK &&
	       resolved > 0;
}

static unsigned int retry_after(CURL *easy)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
	return seconds < 0 ? 0 : seconds > 3600 ? 3600 : (unsigned int)seconds;
}

static void stream_done(struct transfer *transfer, CURLcode code)
{
	struct http_stream *stream = container_of(transfer, struct http_stream, transfer);
	struct http_stream_end end = {};
	char detail[CURL_ERROR_SIZE];
	void (*done)(void *arg, const struct http_stream_end *end) = stream->done;
	void *arg = stream->arg;
	long status = 0, os_errno = 0;

	/* A connection that is closed before the head is a success to libcurl. */
	if (code == CURLE_OK && !stream->begun)
		code = CURLE_GOT_NOTHING;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno);
	end.error = was_resolved(transfer->easy, code) ? error_from_code(code, os_errno)
						       : -EADDRNOTAVAIL;
	end.status = stream->begun ? (int)status : 0;
	end.retry_after = retry_after(transfer->easy);
	end.detail = detail;
	if (!end.error)
		snprintf(detail, sizeof(detail), "HTTP %ld", status);
	else
		snprintf(detail, sizeof(detail), "%s",
			 *stream->error ? stream->error : curl_easy_strerror(code));
	http_stream_cancel(stream);
	done(arg, &end);
}

/* What libcurl calls */

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct http_stream *stream = arg;
	const char *peer = NULL;
	long status = 0;

	if (line[0] != '\r' && line[0] != '\n')
		return size * count;
	curl_easy_getinfo(stream->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
	/* Interim answers (1xx) have heads, too, and so have trailers. */
	if (status < 200 || stream->begun)
		return size * count;
	stream->begun = true;
	curl_easy_getinfo(stream->transfer.easy, CURLINFO_PRIMARY_IP, &peer);
	stream->head(stream->arg, (int)status, peer ? peer : "");
	return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_stream *stream = arg;

	stream->data(stream->arg, bytes, size * count);
	return size * count;
}

/* libcurl sets the idle time and the interval of keep-alive, but not these. */
static int on_socket_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	const unsigned int unacknowledged = UNACKNOWLEDGED_TIME;
	const int count = KEEPALIVE_COUNT;

	(void)arg;
	(void)purpose;
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged, sizeof(unacknowledged));
	return CURL_SOCKOPT_OK;
}

/* Options. Each returns 0 or -errno. */

static int set_text(CURL *easy, CURLoption option, const char *text)
{
	return !text || curl_easy_setopt(easy, option, text) == CURLE_OK ? 0 : -ENOMEM;
}

/* A text has precedence over a file. */
static int set_pem(CURL *easy, CURLoption text_option, const char *text, CURLoption file_option,
		   const char *file)
{
	struct curl_blob blob = {.flags = CURL_BLOB_COPY};

	if (!text)
		return set_text(easy, file_option, file);
	blob.data = (char *)text;
	blob.len = strlen(text);
	return curl_easy_setopt(easy, text_option, &blob) == CURLE_OK ? 0 : -ENOMEM;
}

static int set_tls(CURL *easy, const struct http_tls *tls)
{
	int r = set_pem(easy, CURLOPT_CAINFO_BLOB, tls->ca_text, CURLOPT_CAINFO, tls->ca_file);

	if (r == 0)
		r = set_pem(easy, CURLOPT_SSLCERT_BLOB, tls->cert_text, CURLOPT_SSLCERT,
			    tls->cert_file);
	if (r == 0)
		r = set_pem(easy, CURLOPT_SSLKEY_BLOB, tls->key_text, CURLOPT_SSLKEY,
			    tls->key_file);
	/* A CA file may be replaced: it is read for each new connection. */
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	/* Where a CA is named, those of the system do not count. */
	if (tls->ca_text || tls->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls->insecure ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->insecure ? 0L : 2L);
	return r;
}

/* Appends to a list; takes nothing. */
__attribute__((format(printf, 2, 3))) static int list_add(struct curl_slist **list,
							  const char *format, ...)
{
	_cleanup_free_ char *line = NULL;
	struct curl_slist *grown = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&line, format, args);
	va_end(args);
	if (len < 0)
		line = NULL;
	if (line)
		grown = curl_slist_append(*list, line);
	if (line)
		explicit_bzero(line, (size_t)len);
	if (!grown)
		return -ENOMEM;
	*list = grown;
	return 0;
}

static int set_headers(struct http_stream *stream, const struct http_stream_get *get)
{
	int r = list_add(&stream->headers, "Accept: application/json");

	if (r == 0 && get->token)
		r = list_add(&stream->headers, "Authorization: Bearer %s", get->token);
	if (r == 0)
		curl_easy_setopt(stream->transfer.easy, CURLOPT_HTTPHEADER, stream->headers);
	return r;
}

/* Scheme, host and port of a URL, as they are in it. */
static int split_url(CURLU *url, const char *text, char **ret_host, char **ret_port)
{
	if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, ret_host, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PORT, ret_port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return -EINVAL;
	return 0;
}

/*
 * The name that TLS expects is that of the URL; so where another one is wanted, it becomes the
 * host of the URL, and the connection goes to the real one.
 */
static int set_other_name(struct http_stream *stream, CURLU *url, const char *host,
			  const char *port, const char *name)
{
	char *text = NULL;
	int r;

	if (curl_url_set(url, CURLUPART_HOST, name, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return -EINVAL;
	r = set_text(stream->transfer.easy, CURLOPT_URL, text);
	curl_free(text);
	return r < 0 ? r : list_add(&stream->headers, "Host: %s:%s", host, port);
}

static void cleanup_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void cleanup_curl_text(char **text)
{
	curl_free(*text);
}

static int set_url(struct http_stream *stream, const struct http_stream_get *get)
{
	_cleanup_(cleanup_url) CURLU *url = curl_url();
	_cleanup_(cleanup_curl_text) char *host = NULL;
	_cleanup_(cleanup_curl_text) char *port = NULL;
	CURL *easy = stream->transfer.easy;
	const char *address = get->address;
	bool is_v6;
	int r;

	if (!url)
		return -ENOMEM;
	r = split_url(url, get->url, &host, &port);
	if (r == 0)
		r = set_text(easy, CURLOPT_URL, get->url);
	if (r == 0 && get->tls.server_name) {
		r = set_other_name(stream, url, host, port, get->tls.server_name);
		address = address ? address : host;
	}
	if (r < 0 || !address)
		return r;
	is_v6 = strchr(address, ':') && *address != '[';
	r = list_add(&stream->connect_to, "::%s%s%s:%s", is_v6 ? "[" : "", address,
		     is_v6 ? "]" : "", port);
	if (r == 0)
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, stream->connect_to);
	return r;
}

static void set_callbacks(struct http_stream *stream)
{
	CURL *easy = stream->transfer.easy;

	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, stream);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, stream);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket_made);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, stream->error);
}

static int set_options(struct http_stream *stream, const struct http_stream_get *get)
{
	CURL *easy = stream->transfer.easy;
	int r = set_url(stream, get);

	if (r == 0)
		r = set_text(easy, CURLOPT_USERAGENT, get->user_agent);
	if (r == 0)
		r = set_headers(stream, get);
	if (r == 0)
		r = set_tls(easy, &get->tls);
	set_callbacks(stream);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL);
	/* One connection for all streams of a server, where HTTP/2 allows it. */
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, get->fresh ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, get->fresh ? 1L : 0L);
	return r;
}

static struct http_stream *stream_new(const struct http_stream_get *get)
{
	struct http_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->transfer.done = stream_done;
	stream->head = get->head;
	stream->data = get->data;
	stream->done = get->done;
	stream->arg = get->arg;
	return stream;
}

static void free_headers(struct curl_slist *headers)
{
	for (struct curl_slist *line = headers; line; line = line->next)
		explicit_bzero(line->data, strlen(line->data));
	curl_slist_free_all(headers);
}

static void stream_free(struct http_stream *stream)
{
	free_headers(stream->headers);
	curl_slist_free_all(stream->connect_to);
	free(stream);
}

int http_stream_open(struct http_streams *streams, const struct http_stream_get *get,
		     struct http_stream **ret)
{
	struct http_stream *stream = stream_new(get);
	int r;

	if (!stream)
		return -ENOMEM;
	r = transfer_init(streams->transfers, &stream->transfer);
	if (r < 0) {
		stream_free(stream);
		return r;
	}
	r = set_options(stream, get);
	if (r < 0) {
		http_stream_cancel(stream);
		return r;
	}
	r = transfer_start(&stream->transfer);
	if (r < 0) {
		stream_free(stream);
		return r;
	}
	*ret = stream;
	return 0;
}

void http_stream_cancel(struct http_stream *stream)
{
	if (!stream)
		return;
	transfer_end(&stream->transfer);
	stream_free(stream);
}

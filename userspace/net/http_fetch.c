/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_fetch.h"

#include "base/cleanup.h"
#include "base/duration.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct body {
	char *text;
	size_t size, cap, max;
	int error; /* why it was not taken further */
};

static void cleanup_easy(CURL **easy)
{
	curl_easy_cleanup(*easy);
}

static void cleanup_body(struct body *body)
{
	free(body->text);
}

/* Makes room for `more` bytes and a NUL. */
static int body_grow(struct body *body, size_t more)
{
	size_t want = body->size + more + 1, cap = body->cap ? body->cap : 4096;
	char *grown;

	while (cap < want)
		cap *= 2;
	if (cap == body->cap)
		return 0;
	grown = realloc(body->text, cap);
	if (!grown)
		return -ENOMEM;
	body->text = grown;
	body->cap = cap;
	return 0;
}

/* Returning less than was given ends the transfer. */
static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct body *body = arg;
	size_t len = size * count;

	body->error = len > body->max - body->size ? -EFBIG : body_grow(body, len);
	if (body->error)
		return 0;
	memcpy(body->text + body->size, data, len);
	body->size += len;
	return len;
}

static int error_from_os(CURL *easy)
{
	long os_errno = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
	return os_errno > 0 ? (int)-os_errno : -EIO;
}

static int error_from_code(CURL *easy, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return -ECONNRESET;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: no status line */
		return -EPROTO;
	case CURLE_URL_MALFORMAT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EINVAL;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return error_from_os(easy);
	}
}

static int set_options(CURL *easy, const struct http_fetch *fetch, struct body *body)
{
	if (curl_easy_setopt(easy, CURLOPT_URL, fetch->url) != CURLE_OK)
		return -ENOMEM;
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(fetch->timeout / NSEC_PER_MSEC));
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);
	return 0;
}

int http_fetch(const struct http_fetch *fetch, struct http_fetched *ret)
{
	_cleanup_(cleanup_easy) CURL *easy = curl_easy_init();
	_cleanup_(cleanup_body) struct body body = {.max = fetch->size_max};
	long status = 0;
	int err;

	if (!easy || body_grow(&body, 0))
		return -ENOMEM;
	err = set_options(easy, fetch, &body);
	if (err)
		return err;
	err = error_from_code(easy, curl_easy_perform(easy));
	if (body.error || err)
		return body.error ? body.error : err;
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	body.text[body.size] = '\0';
	*ret = (struct http_fetched){
		.status = (int)status, .size = body.size, .body = TAKE_PTR(body.text)};
	return 0;
}

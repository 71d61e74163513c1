/* SPDX-License-Identifier: Apache-2.0 */
#include "status/status.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/http_server.h"
#include "status/status_json.h"
#include "status/status_metrics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char text_type[] = "text/plain; charset=utf-8";
static const char metrics_type[] = "text/plain; version=0.0.4; charset=utf-8";
static const char json_type[] = "application/json";

enum { HTTP_OK = 200, HTTP_NOT_FOUND = 404, HTTP_NO_MEMORY = 500, HTTP_UNAVAILABLE = 503 };

struct status {
	enum status_scope scope;
	const struct status_context *context;
	struct http_server *server;
};

struct page {
	const char *path;
	const char *content_type;
	void (*write)(FILE *out, const struct status_view *view);
};

static void write_rescue(FILE *out, const struct status_view *view)
{
	if (view->context->rescue_json)
		view->context->rescue_json(view->context->rescue, out);
	else
		fputs("{}\n", out);
}

static void write_metrics(FILE *out, const struct status_view *view)
{
	status_metrics_write(out, view);
	if (view->context->rescue_metrics)
		view->context->rescue_metrics(view->context->rescue, out);
}

static const struct page pages[] = {
	{"/metrics", metrics_type, write_metrics},
	{"/v1/status", json_type, status_json_status},
	{"/v1/services", json_type, status_json_services},
	{"/v1/backends", json_type, status_json_backends},
	{"/v1/rescue", json_type, write_rescue},
};

static void cleanup_stream(FILE **stream)
{
	if (*stream)
		fclose(*stream);
}

/* Ends the text; it is valid only if nothing went wrong while it was written. */
static int close_text(FILE **out)
{
	FILE *stream = TAKE_PTR(*out);
	bool failed = ferror(stream);

	return fclose(stream) || failed ? -ENOMEM : 0;
}

static int reply_page(const struct status *status, const struct page *page,
		      struct http_reply *reply)
{
	_cleanup_(status_view_done) struct status_view view = {};
	_cleanup_free_ char *text = NULL;
	_cleanup_(cleanup_stream) FILE *out = open_memstream(&text, &reply->size);

	if (!out || status_view_take(status->context, clock_now(), &view))
		return -ENOMEM;
	page->write(out, &view);
	if (close_text(&out))
		return -ENOMEM;
	reply->status = HTTP_OK;
	reply->content_type = page->content_type;
	reply->body = TAKE_PTR(text);
	return 0;
}

static int reply_health(const struct status *status, struct http_reply *reply)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_(cleanup_stream) FILE *out = open_memstream(&text, &reply->size);
	struct status_progress progress = {};

	if (!out)
		return -ENOMEM;
	status->context->progress(status->context->arg, &progress);
	status_json_health(out, &progress, clock_now());
	if (close_text(&out))
		return -ENOMEM;
	reply->status = progress.applied && progress.eligible ? HTTP_OK : HTTP_UNAVAILABLE;
	reply->content_type = json_type;
	reply->body = TAKE_PTR(text);
	return 0;
}

static int reply_text(int code, const char *text, struct http_reply *reply)
{
	reply->body = strdup(text);
	if (!reply->body)
		return -ENOMEM;
	reply->status = code;
	reply->content_type = text_type;
	reply->size = strlen(text);
	return 0;
}

static int reply_to(const struct status *status, const char *path, struct http_reply *reply)
{
	if (!strcmp(path, "/livez"))
		return reply_text(HTTP_OK, "ok\n", reply);
	if (!strcmp(path, "/healthz"))
		return reply_health(status, reply);
	if (status->scope == STATUS_HEALTH)
		return reply_text(HTTP_NOT_FOUND, "there are /livez and /healthz\n", reply);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		if (!strcmp(path, pages[i].path))
			return reply_page(status, &pages[i], reply);
	}
	return reply_text(HTTP_NOT_FOUND,
			  "there are /livez, /healthz, /metrics, /v1/status, /v1/services, "
			  "/v1/backends and /v1/rescue\n",
			  reply);
}

static void on_request(void *arg, const char *path, struct http_reply *reply)
{
	if (reply_to(arg, path, reply))
		*reply = (struct http_reply){.status = HTTP_NO_MEMORY, .content_type = text_type};
}

int status_new(struct loop *loop, const char *address, enum status_scope scope,
	       const struct status_context *context, struct status **ret)
{
	_cleanup_free_ struct status *status = calloc(1, sizeof(*status));
	int err;

	if (!status)
		return -ENOMEM;
	status->scope = scope;
	status->context = context;
	err = http_server_new(loop, address, on_request, status, &status->server);
	if (err)
		return err;
	*ret = TAKE_PTR(status);
	return 0;
}

void status_free(struct status *status)
{
	if (!status)
		return;
	http_server_free(status->server);
	free(status);
}

unsigned int status_port(const struct status *status)
{
	return http_server_port(status->server);
}

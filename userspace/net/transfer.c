/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants.
 *  - A socket that libcurl watches has a struct watch, assigned to it in the multi handle: "watch
 *    or NULL" is all that is known of a socket. Its descriptor is libcurl's.
 *  - libcurl's callbacks only note things (watch, timer). `done` is called from the loop, outside
 *    of libcurl, so it may start and end transfers.
 */
#include "net/transfer.h"

#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "loop/loop.h"

#include <errno.h>
#include <stdbool.h>

enum {
	/* Idle handles are kept, since making one costs more than a request on loopback. */
	IDLE_MAX = 128,
	/*
	 * Idle connections are kept, too. libcurl's own limit is four times the transfers under
	 * way: with few at a time, to many servers in turn, none would ever be reused.
	 */
	CONNECTIONS_MAX = 512,
};

struct transfers {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer timer;
	struct transfer *running;
	CURL *idle[IDLE_MAX];
	size_t idle_len;
};

struct watch {
	struct loop_io io;
	struct transfers *owner;
};

/* Calls `done` for what has ended. A message does not survive the next call of libcurl. */
static void report_done(struct transfers *transfers)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(transfers->multi, &left))) {
		CURLcode code = message->data.result;
		struct transfer *transfer = NULL;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		transfer->done(transfer, code);
	}
}

static void socket_ready(struct loop_io *io, uint32_t events)
{
	struct transfers *transfers = container_of(io, struct watch, io)->owner;
	int running, mask = 0;

	if (events & (EPOLLIN | EPOLLHUP))
		mask |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		mask |= CURL_CSELECT_ERR;
	curl_multi_socket_action(transfers->multi, io->fd, mask, &running);
	report_done(transfers);
}

static void timer_due(struct loop_timer *timer, uint64_t now)
{
	struct transfers *transfers = container_of(timer, struct transfers, timer);
	int running;

	(void)now;
	curl_multi_socket_action(transfers->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	report_done(transfers);
}

static void watch_new(struct transfers *transfers, curl_socket_t fd, uint32_t events)
{
	_cleanup_free_ struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return;
	watch->io = (struct loop_io){.fn = socket_ready, .fd = fd};
	watch->owner = transfers;
	if (loop_io_add(transfers->loop, &watch->io, events) < 0)
		return;
	curl_multi_assign(transfers->multi, fd, TAKE_PTR(watch));
}

/*
 * Never returns an error: libcurl would give up the whole multi handle. A socket that cannot be
 * watched makes its transfer time out.
 */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socketp)
{
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	struct watch *watch = socketp;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch)
			loop_io_del(&watch->io);
		free(watch);
	} else if (watch) {
		loop_io_mod(&watch->io, events);
	} else {
		watch_new(arg, fd, events);
	}
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct transfers *transfers = arg;
	uint64_t now = loop_now(transfers->loop);

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_cancel(&transfers->timer);
	else
		loop_timer_arm(transfers->loop, &transfers->timer,
			       now + (uint64_t)timeout_ms * NSEC_PER_MSEC);
	return 0;
}

static void cleanup_transfers(struct transfers **transfers)
{
	transfers_free(*transfers);
}

int transfers_new(struct loop *loop, struct transfers **ret)
{
	_cleanup_(cleanup_transfers) struct transfers *transfers = NULL;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	transfers = calloc(1, sizeof(*transfers));
	if (!transfers) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	transfers->loop = loop;
	transfers->timer.fn = timer_due;
	transfers->multi = curl_multi_init();
	if (!transfers->multi)
		return -ENOMEM;
	curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
	curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
	curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
	*ret = TAKE_PTR(transfers);
	return 0;
}

void transfers_free(struct transfers *transfers)
{
	if (!transfers)
		return;
	while (transfers->idle_len)
		curl_easy_cleanup(transfers->idle[--transfers->idle_len]);
	curl_multi_cleanup(transfers->multi); /* calls on_socket() and on_timer() */
	loop_timer_cancel(&transfers->timer);
	free(transfers);
	curl_global_cleanup();
}

struct transfer *transfers_first(const struct transfers *transfers)
{
	return transfers->running;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)arg;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void set_shared_options(struct transfer *transfer)
{
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	/* Not NULL: that would let the environment decide. */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
}

int transfer_init(struct transfers *transfers, struct transfer *transfer)
{
	if (transfers->idle_len)
		transfer->easy = transfers->idle[--transfers->idle_len];
	else
		transfer->easy = curl_easy_init();
	if (!transfer->easy)
		return -ENOMEM;
	transfer->owner = transfers;
	transfer->next = NULL;
	transfer->link = NULL;
	set_shared_options(transfer);
	return 0;
}

static void list_add(struct transfer *transfer)
{
	struct transfers *owner = transfer->owner;

	transfer->next = owner->running;
	transfer->link = &owner->running;
	if (transfer->next)
		transfer->next->link = &transfer->next;
	owner->running = transfer;
}

static void list_remove(struct transfer *transfer)
{
	*transfer->link = transfer->next;
	if (transfer->next)
		transfer->next->link = transfer->link;
	transfer->link = NULL;
}

int transfer_start(struct transfer *transfer)
{
	if (curl_multi_add_handle(transfer->owner->multi, transfer->easy) != CURLM_OK) {
		transfer_end(transfer);
		return -ENOMEM;
	}
	list_add(transfer);
	return 0;
}

int transfer_again(struct transfer *transfer)
{
	CURLM *multi = transfer->owner->multi;

	curl_multi_remove_handle(multi, transfer->easy);
	return curl_multi_add_handle(multi, transfer->easy) == CURLM_OK ? 0 : -ENOMEM;
}

/* libcurl never clears the errno it reports: a handle that has one would tell it again. */
static bool is_reusable(CURL *easy)
{
	long os_errno = 0;

	return curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno) == CURLE_OK && !os_errno;
}

void transfer_end(struct transfer *transfer)
{
	struct transfers *owner = transfer->owner;
	CURL *easy = TAKE_PTR(transfer->easy);

	if (transfer->link) {
		curl_multi_remove_handle(owner->multi, easy);
		list_remove(transfer);
	}
	if (owner->idle_len == IDLE_MAX || !is_reusable(easy)) {
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	owner->idle[owner->idle_len++] = easy;
}

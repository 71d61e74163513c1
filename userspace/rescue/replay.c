/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/replay.h"

#include "base/container_of.h"
#include "rescue/client_netns.h"
#include "rescue/client_peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(struct replay *replay, int err)
{
	replay->error = err;
	replay->fn(replay, REPLAY_FAILED);
}

/* Returns 0, or -errno; what can not be sent now is sent later. */
static int send_request(struct replay *replay)
{
	const struct bytes *request = replay->request;

	while (replay->sent < request->len) {
		ssize_t n = send(replay->io.fd, request->items + replay->sent,
				 request->len - replay->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return loop_io_mod(&replay->io, EPOLLIN | EPOLLOUT);
		if (n < 0)
			return -errno;
		replay->sent += (size_t)n;
	}
	return loop_io_mod(&replay->io, EPOLLIN);
}

int replay_dialed(int fd)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
		return -errno;
	return -error;
}

static void receive(struct replay *replay)
{
	char buffer[REPLAY_READ_MAX];
	ssize_t n = recv(replay->io.fd, buffer, replay->read_max, 0);
	int err;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		fail(replay, -errno);
		return;
	}
	if (n == 0) {
		if (http_response_close(&replay->response))
			replay->fn(replay, REPLAY_WHOLE);
		else
			fail(replay, 0);
		return;
	}
	err = http_response_feed(&replay->response, buffer, (size_t)n, &replay->out);
	if (err)
		fail(replay, err);
	else
		replay->fn(replay, replay->response.state == HTTP_RESPONSE_DONE ? REPLAY_WHOLE
										: REPLAY_PROGRESS);
}

static void on_io(struct loop_io *io, uint32_t events)
{
	struct replay *replay = container_of(io, struct replay, io);
	int err = 0;

	if (!replay->connected)
		err = replay_dialed(replay->io.fd);
	replay->connected |= !err;
	if (!err && events & EPOLLOUT)
		err = send_request(replay);
	/* A response may come before all of the request was taken, and in spite of a reset. */
	if (events & EPOLLIN || (!err && events & (EPOLLERR | EPOLLHUP)))
		receive(replay);
	else if (err)
		fail(replay, err);
}

void replay_init(struct replay *replay, struct loop *loop, replay_fn *fn)
{
	*replay = (struct replay){
		.io = {.fn = on_io, .fd = -1}, .loop = loop, .fn = fn, .read_max = REPLAY_READ_MAX};
}

/* The port is chosen when it connects, as one that is free towards that backend. */
static int bind_to(int fd, const struct addr *source)
{
	struct sockaddr_storage address;
	socklen_t size = addr_to_sockaddr(source, 0, &address);
	int on = 1;

	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, size))
		return -errno;
	return 0;
}

int replay_dial(const struct client_peer *client, const struct addr *addr, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t size = addr_to_sockaddr(addr, port, &address);
	int on = 1, err, fd = client_netns_socket(client->netns, address.ss_family);

	if (fd < 0)
		return fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	err = bind_to(fd, &client->socket.local);
	if (!err && connect(fd, (struct sockaddr *)&address, size) && errno != EINPROGRESS)
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int replay_start(struct replay *replay, const struct client_peer *client, const struct addr *addr,
		 uint16_t port, const struct bytes *request, bool is_head)
{
	int fd = replay_dial(client, addr, port);

	return fd < 0 ? fd : replay_start_on(replay, fd, request, is_head);
}

int replay_start_on(struct replay *replay, int fd, const struct bytes *request, bool is_head)
{
	int err;

	replay->io.fd = fd;
	replay->request = request;
	replay->response.to_head = is_head;
	err = loop_io_add(replay->loop, &replay->io, EPOLLIN | EPOLLOUT);
	if (err)
		replay_stop(replay);
	return err;
}

void replay_pause(struct replay *replay, bool pause)
{
	if (replay->paused == pause || replay->io.fd < 0)
		return;
	if (!loop_io_mod(&replay->io, pause ? 0 : EPOLLIN))
		replay->paused = pause;
}

void replay_stop(struct replay *replay)
{
	loop_io_del(&replay->io);
	if (replay->io.fd >= 0)
		close(replay->io.fd);
	http_response_free(&replay->response);
	bytes_done(&replay->out);
	replay_init(replay, replay->loop, replay->fn);
}

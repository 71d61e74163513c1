/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP probe succeeds when the listener's kernel accepts the connection. No byte is sent, and, unless
 * this process is slow, not even the acknowledgement that completes the handshake: the RST comes first. So
 * the server is not woken up for a connection that brings it nothing, which is most of what a probe costs
 * on both sides. A listener whose queue is full does not answer the SYN either way.
 *
 * Every tenth is a whole connection: a server that hangs takes none of them, so its queue gets full, and it
 * shows. Clients fill it sooner, unless they use UDP: then each probe is one.
 */
#include "base/cleanup.h"
#include "base/container_of.h"
#include "health/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum { WHOLE_EVERY = 10 };

static struct probe *probe_of_io(struct loop_io *io)
{
	return container_of(io, struct probe, io);
}

static struct probe *probe_of_timer(struct loop_timer *timer)
{
	return container_of(timer, struct probe, timer);
}

/*
 * To a port of this machine that nobody listens on, the kernel may choose that very port as the
 * source, and the socket gets connected to itself. With another port it is not, and one system call
 * says so.
 */
static bool is_connected_to_itself(const struct probe *probe)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in6 in6; /* sin_port is at the same place */
	} local = {}, peer = {};
	socklen_t local_len = sizeof(local), peer_len = sizeof(peer);
	int fd = probe->io.fd;

	if (getsockname(fd, &local.sa, &local_len) || local.in6.sin6_port != htons(probe->port))
		return false;
	return !getpeername(fd, &peer.sa, &peer_len) && local_len == peer_len &&
	       !memcmp(&local, &peer, local_len);
}

static int connect_error(const struct probe *probe)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(probe->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static void tcp_finish(struct probe *probe, int error)
{
	struct probe_result result = {.detail = "connected"};

	if (error)
		result = probe_failed(error, probe->timeout);
	probe_end(probe, &result);
}

static void tcp_on_io(struct loop_io *io, uint32_t events)
{
	struct probe *probe = probe_of_io(io);
	int error = events & (EPOLLERR | EPOLLHUP) ? connect_error(probe) : 0;

	if (!error && is_connected_to_itself(probe))
		error = -ECONNREFUSED;
	tcp_finish(probe, error);
}

static void tcp_on_timer(struct loop_timer *timer, uint64_t now)
{
	(void)now;
	tcp_finish(probe_of_timer(timer), -ETIMEDOUT);
}

/*
 * Closing by RST leaves neither TIME_WAIT here nor an entry of two minutes in the connection
 * tracking table: both would fill up at many probes a second. Without TCP_QUICKACK the kernel waits at
 * least 40 ms for data to send along with the acknowledgement of the SYN|ACK.
 */
static int open_socket(int family, bool whole)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	const int quickack = whole;
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &quickack, sizeof(quickack)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static bool wants_whole(struct probe *probe)
{
	if (!probe->whole && ++probe->reused < WHOLE_EVERY)
		return false;
	probe->reused = 0;
	return true;
}

static int tcp_start(struct probe *probe, const struct probe_spec *spec, const struct addr *addr,
		     uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(addr, port, &sa);
	_cleanup_close_ int fd = open_socket(sa.ss_family, wants_whole(probe));
	int r;

	(void)spec;
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS)
		return -errno;
	probe->timer.fn = tcp_on_timer;
	r = loop_timer_arm(probe->loop, &probe->timer, loop_now(probe->loop) + probe->timeout);
	if (r < 0)
		return r;
	probe->port = port;
	probe->io.fn = tcp_on_io;
	probe->io.fd = fd;
	r = loop_io_add(probe->loop, &probe->io, EPOLLOUT);
	if (r < 0) {
		loop_timer_cancel(&probe->timer);
		return r;
	}
	TAKE_FD(fd);
	return 0;
}

static void tcp_stop(struct probe *probe)
{
	loop_timer_cancel(&probe->timer);
	loop_io_close(&probe->io);
}

const struct probe_ops probe_tcp_ops = {.start = tcp_start, .stop = tcp_stop};

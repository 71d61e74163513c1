/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DNS probe asks for one name over UDP. Any answer will do but SERVFAIL, by which a server says
 * itself that it is of no use. A port where nobody listens is refused by ICMP, which a connected socket
 * is told of.
 */
#include "base/cleanup.h"
#include "base/container_of.h"
#include "health/dns_message.h"
#include "health/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>

/* Of the cluster itself, so that the server needs no other one to answer; any name may be configured. */
static const char default_name[] = "kubernetes.default.svc.cluster.local";

static void dns_finish(struct probe *probe, int error)
{
	struct probe_result result = probe_failed(error, probe->timeout);

	probe_end(probe, &result);
}

static void dns_answered(struct probe *probe, enum dns_answer answer, int rcode)
{
	struct probe_result result = {.error = answer == DNS_SERVFAIL ? -EPROTO : 0};

	snprintf(result.detail, sizeof(result.detail), "DNS %s", dns_rcode_to_str(rcode));
	probe_end(probe, &result);
}

static void dns_on_io(struct loop_io *io, uint32_t events)
{
	struct probe *probe = container_of(io, struct probe, io);
	uint8_t message[DNS_HEADER_SIZE];
	ssize_t size = recv(io->fd, message, sizeof(message), MSG_DONTWAIT);
	enum dns_answer answer;
	int rcode = 0;

	(void)events;
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size < 0) {
		dns_finish(probe, -errno);
		return;
	}
	answer = dns_judge(message, (size_t)size, probe->dns_id, &rcode);
	if (answer != DNS_OTHER)
		dns_answered(probe, answer, rcode);
}

static void dns_on_timer(struct loop_timer *timer, uint64_t now)
{
	(void)now;
	dns_finish(container_of(timer, struct probe, timer), -ETIMEDOUT);
}

static int send_query(struct probe *probe, const char *name, int fd)
{
	uint8_t query[DNS_QUERY_SIZE];
	int size;

	/* Nobody else can answer a connected socket; the number only tells late answers apart. */
	if (getrandom(&probe->dns_id, sizeof(probe->dns_id), GRND_NONBLOCK) < 0)
		probe->dns_id++;
	size = dns_query(name, probe->dns_id, query);
	if (size < 0)
		return size;
	return send(fd, query, (size_t)size, 0) < 0 ? -errno : 0;
}

static int dns_start(struct probe *probe, const struct probe_spec *spec, const struct addr *addr,
		     uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(addr, port, &sa);
	_cleanup_close_ int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len) < 0)
		return -errno;
	r = send_query(probe, *spec->host ? spec->host : default_name, fd);
	if (r < 0)
		return r;
	probe->timer.fn = dns_on_timer;
	r = loop_timer_arm(probe->loop, &probe->timer, loop_now(probe->loop) + probe->timeout);
	if (r < 0)
		return r;
	probe->io.fn = dns_on_io;
	probe->io.fd = fd;
	r = loop_io_add(probe->loop, &probe->io, EPOLLIN);
	if (r < 0) {
		loop_timer_cancel(&probe->timer);
		return r;
	}
	TAKE_FD(fd);
	return 0;
}

static void dns_stop(struct probe *probe)
{
	loop_timer_cancel(&probe->timer);
	loop_io_close(&probe->io);
}

const struct probe_ops probe_dns_ops = {.start = dns_start, .stop = dns_stop};

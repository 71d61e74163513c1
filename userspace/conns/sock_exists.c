/* SPDX-License-Identifier: Apache-2.0 */
#include "conns/sock_exists.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct question {
	struct nlmsghdr header;
	struct inet_diag_req_v2 request;
};

/* IPv4 is looked up as such, whatever the family of the socket. */
static struct question make_question(const struct sock_name *name)
{
	size_t skip = addr_is_v4(&name->local) ? 12 : 0;
	struct question question = {
		.header = {.nlmsg_len = sizeof(question),
			   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			   .nlmsg_flags = NLM_F_REQUEST},
		.request = {.sdiag_family = skip ? AF_INET : AF_INET6,
			    .sdiag_protocol = IPPROTO_TCP,
			    .idiag_states = UINT32_MAX,
			    .id = {.idiag_sport = htons(name->local_port),
				   .idiag_dport = htons(name->peer_port),
				   .idiag_cookie = {(uint32_t)name->cookie,
						    (uint32_t)(name->cookie >> 32)}}},
	};

	memcpy(question.request.id.idiag_src, name->local.bytes + skip, 16 - skip);
	memcpy(question.request.id.idiag_dst, name->peer.bytes + skip, 16 - skip);
	return question;
}

int sock_exists(int fd, const struct sock_name *name)
{
	struct question question = make_question(name);
	union {
		struct nlmsghdr header;
		uint8_t bytes[4096];
	} answer;
	const struct nlmsgerr *error = NLMSG_DATA(&answer.header);
	ssize_t n;

	if (send(fd, &question, sizeof(question), 0) < 0)
		return -errno;
	n = recv(fd, &answer, sizeof(answer), 0);
	if (n < 0)
		return -errno;
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*error)))
		return -EBADMSG;
	if (answer.header.nlmsg_type == SOCK_DIAG_BY_FAMILY)
		return 1;
	if (answer.header.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	/* Another socket has that name now: ESTALE. */
	return error->error == -ENOENT || error->error == -ESTALE ? 0 : error->error;
}

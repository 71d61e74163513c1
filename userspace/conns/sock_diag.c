/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel filters by address and port (bytecode), and adds the storage of a TCP socket to its
 * answer (INET_DIAG_REQ_SK_BPF_STORAGES, Linux 5.7). It does not do so for UDP up to now (6.18).
 */
#include "conns/sock_diag.h"

#include "swerve_abi.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

enum {
	/* Those that an application may wait for. UDP: connected sockets are TCP_ESTABLISHED. */
	TCP_STATES = 1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT | 1 << TCP_FIN_WAIT1 |
		     1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT,
	UDP_STATES = 1 << TCP_ESTABLISHED,
};

_Static_assert(SOCK_DIAG_DESTROY_SIZE == NLMSG_LENGTH(sizeof(struct inet_diag_req_v2)),
	       "the size of a destroy request");

/* Everything in netlink is a multiple of 4 bytes; the callers' buffers are large enough. */
struct writer {
	uint8_t *start;
	size_t used;
};

static size_t put(struct writer *writer, const void *data, size_t size)
{
	size_t at = writer->used;

	memcpy(writer->start + at, data, size);
	writer->used += size;
	return at;
}

static size_t attribute_begin(struct writer *writer, uint16_t type)
{
	struct nlattr attribute = {.nla_type = type};

	return put(writer, &attribute, sizeof(attribute));
}

static void attribute_end(struct writer *writer, size_t at)
{
	uint16_t size = (uint16_t)(writer->used - at);

	memcpy(writer->start + at + offsetof(struct nlattr, nla_len), &size, sizeof(size));
}

static size_t condition_size(const struct addr *addr)
{
	return sizeof(struct inet_diag_bc_op) + sizeof(struct inet_diag_hostcond) +
	       (addr_is_v4(addr) ? 4 : 16);
}

/* An IPv4 condition matches an IPv6 socket with the mapped address, too. */
static void put_condition(struct writer *writer, const struct sock_diag_target *target,
			  uint16_t if_not)
{
	bool v4 = addr_is_v4(&target->addr);
	struct inet_diag_bc_op op = {.code = INET_DIAG_BC_D_COND,
				     .yes = (uint8_t)condition_size(&target->addr),
				     .no = if_not};
	struct inet_diag_hostcond cond;

	memset(&cond, 0, sizeof(cond)); /* also the padding, which goes to the kernel */
	cond.family = v4 ? AF_INET : AF_INET6;
	cond.prefix_len = v4 ? 32 : 128;
	cond.port = target->port;
	put(writer, &op, sizeof(op));
	put(writer, &cond, sizeof(cond));
	put(writer, target->addr.bytes + (v4 ? 12 : 0), v4 ? 4 : 16);
}

static void put_jump(struct writer *writer, uint16_t distance)
{
	struct inet_diag_bc_op op = {.code = INET_DIAG_BC_JMP, .yes = sizeof(op), .no = distance};

	put(writer, &op, sizeof(op));
}

static bool is_reachable(const struct sock_diag_query *query, const struct sock_diag_target *target)
{
	return query->family == AF_INET6 || addr_is_v4(&target->addr);
}

static size_t bytecode_size(const struct sock_diag_query *query)
{
	size_t size = 0;

	for (size_t i = 0; i < query->count; i++) {
		const struct sock_diag_target *target = &query->targets[i];

		if (is_reachable(query, target))
			size += condition_size(&target->addr) + sizeof(struct inet_diag_bc_op);
	}
	return size ? size - sizeof(struct inet_diag_bc_op) : 0;
}

/*
 * "This peer or that peer or …": condition, jump to the end, condition, jump to the end, condition.
 * To arrive exactly at the end is to match, 4 bytes behind it is not to (inet_diag_bc_run()).
 */
static void put_bytecode(struct writer *writer, const struct sock_diag_query *query, size_t size)
{
	size_t end = writer->used + size;

	for (size_t i = 0; i < query->count; i++) {
		const struct sock_diag_target *target = &query->targets[i];
		size_t length = condition_size(&target->addr) + sizeof(struct inet_diag_bc_op);

		if (!is_reachable(query, target))
			continue;
		put_condition(writer, target, (uint16_t)length);
		if (writer->used < end)
			put_jump(writer, (uint16_t)(end - writer->used));
	}
}

/* Compared before the bytecode is run; 0 if the targets differ in it. */
static uint16_t common_port(const struct sock_diag_query *query)
{
	for (size_t i = 1; i < query->count; i++) {
		if (query->targets[i].port != query->targets[0].port)
			return 0;
	}
	return query->targets[0].port;
}

static void put_storage_request(struct writer *writer, int sockets_fd)
{
	uint32_t fd = (uint32_t)sockets_fd;
	size_t outer = attribute_begin(writer, INET_DIAG_REQ_SK_BPF_STORAGES | NLA_F_NESTED);
	size_t inner = attribute_begin(writer, SK_DIAG_BPF_STORAGE_REQ_MAP_FD);

	put(writer, &fd, sizeof(fd));
	attribute_end(writer, inner);
	attribute_end(writer, outer);
}

size_t sock_diag_encode_query(const struct sock_diag_query *query,
			      uint8_t ret[static SOCK_DIAG_QUERY_SIZE])
{
	struct nlmsghdr header = {.nlmsg_type = SOCK_DIAG_BY_FAMILY,
				  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP};
	struct inet_diag_req_v2 request = {
		.sdiag_family = query->family,
		.sdiag_protocol = query->proto,
		.idiag_states = query->proto == IPPROTO_TCP ? TCP_STATES : UDP_STATES,
		.id.idiag_dport = htons(common_port(query)),
	};
	struct writer writer = {.start = ret};
	size_t size = bytecode_size(query), attribute;

	if (!size)
		return 0;
	put(&writer, &header, sizeof(header));
	put(&writer, &request, sizeof(request));
	attribute = attribute_begin(&writer, INET_DIAG_REQ_BYTECODE);
	put_bytecode(&writer, query, size);
	attribute_end(&writer, attribute);
	put_storage_request(&writer, query->sockets_fd);
	header.nlmsg_len = (uint32_t)writer.used;
	memcpy(ret, &header, sizeof(header));
	return writer.used;
}

void sock_diag_encode_destroy(const struct sock_diag_socket *socket, uint32_t seq,
			      uint8_t ret[static SOCK_DIAG_DESTROY_SIZE])
{
	struct nlmsghdr header = {.nlmsg_len = SOCK_DIAG_DESTROY_SIZE,
				  .nlmsg_type = SOCK_DESTROY,
				  .nlmsg_flags = NLM_F_REQUEST,
				  .nlmsg_seq = seq};
	struct inet_diag_req_v2 request = {.sdiag_family = socket->family,
					   .sdiag_protocol = socket->proto,
					   .idiag_states = UINT32_MAX,
					   .id = socket->id};
	struct writer writer = {.start = ret};

	put(&writer, &header, sizeof(header));
	put(&writer, &request, sizeof(request));
}

/* Bytes not yet looked at. */
struct reader {
	const uint8_t *data;
	size_t size;
};

/*
 * Takes the next attribute of that type and leaves what is after it. Returns false if there is
 * none, or if lengths do not fit.
 */
static bool next_attribute(struct reader *reader, uint16_t type, struct reader *ret)
{
	struct nlattr attribute;

	while (reader->size >= sizeof(attribute)) {
		const uint8_t *content = reader->data + sizeof(attribute);
		size_t whole;

		memcpy(&attribute, reader->data, sizeof(attribute));
		if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > reader->size)
			return false;
		whole = NLA_ALIGN(attribute.nla_len);
		whole = whole > reader->size ? reader->size : whole;
		*reader = (struct reader){reader->data + whole, reader->size - whole};
		if ((attribute.nla_type & NLA_TYPE_MASK) == type) {
			*ret = (struct reader){content, attribute.nla_len - sizeof(attribute)};
			return true;
		}
	}
	return false;
}

/* The request named one map, so there is one storage at most. */
static bool read_storage(struct reader attributes, struct sw_socket *ret)
{
	struct reader storages, storage, value;

	if (!next_attribute(&attributes, INET_DIAG_SK_BPF_STORAGES, &storages) ||
	    !next_attribute(&storages, SK_DIAG_BPF_STORAGE, &storage) ||
	    !next_attribute(&storage, SK_DIAG_BPF_STORAGE_MAP_VALUE, &value) ||
	    value.size < sizeof(*ret))
		return false;
	memcpy(ret, value.data, sizeof(*ret));
	return true;
}

static struct addr peer_addr(const struct sock_diag_socket *socket)
{
	struct addr addr = {.bytes = {[10] = 0xff, [11] = 0xff}};

	if (socket->family == AF_INET)
		memcpy(addr.bytes + 12, socket->id.idiag_dst, 4);
	else
		memcpy(addr.bytes, socket->id.idiag_dst, 16);
	return addr;
}

static bool is_target(const struct sock_diag_target *target, const struct sock_diag_socket *socket,
		      const struct sw_socket *storage)
{
	struct addr peer = peer_addr(socket);

	return addr_equal(&target->addr, &peer) && target->port == ntohs(socket->id.idiag_dport) &&
	       !memcmp(storage->backend_addr.bytes, target->addr.bytes, sizeof(peer.bytes)) &&
	       storage->backend_port == target->port && storage->service == target->service &&
	       (storage->flags & target->flags) == target->flags &&
	       !(target->flags && socket->ended) && !(storage->flags & SW_SOCKET_TAKEN);
}

bool sock_diag_match(const struct sock_diag_query *query, struct sock_diag_socket *socket,
		     const struct sw_socket *storage)
{
	for (size_t i = 0; i < query->count; i++) {
		if (is_target(&query->targets[i], socket, storage)) {
			socket->target = (uint16_t)i;
			return true;
		}
	}
	return false;
}

/* A socket without an inode has no owner any more who could see the error. */
static int parse_socket(const struct sock_diag_query *query, struct reader reader,
			struct sock_diag_sockets *ret)
{
	struct sock_diag_socket found = {
		.family = query->family, .proto = query->proto, .target = SOCK_DIAG_NO_TARGET};
	struct inet_diag_msg message;
	struct sw_socket storage;

	if (reader.size < sizeof(message))
		return -EBADMSG;
	memcpy(&message, reader.data, sizeof(message));
	reader = (struct reader){reader.data + sizeof(message), reader.size - sizeof(message)};
	if (!message.idiag_inode || message.idiag_family != query->family)
		return 0;
	found.id = message.id;
	found.inode = message.idiag_inode;
	found.ended = message.idiag_state == TCP_CLOSE_WAIT;
	if (query->proto == IPPROTO_UDP)
		return vec_push(ret, found);
	if (!read_storage(reader, &storage) || !sock_diag_match(query, &found, &storage))
		return 0;
	return vec_push(ret, found);
}

/* Takes the next message. Returns 1, 0 at the end, -EBADMSG. */
static int next_message(struct reader *reader, struct nlmsghdr *ret_header, struct reader *ret)
{
	size_t whole;

	if (!reader->size)
		return 0;
	if (reader->size < sizeof(*ret_header))
		return -EBADMSG;
	memcpy(ret_header, reader->data, sizeof(*ret_header));
	if (ret_header->nlmsg_len < sizeof(*ret_header) || ret_header->nlmsg_len > reader->size)
		return -EBADMSG;
	*ret = (struct reader){reader->data + sizeof(*ret_header),
			       ret_header->nlmsg_len - sizeof(*ret_header)};
	whole = NLMSG_ALIGN((size_t)ret_header->nlmsg_len);
	whole = whole > reader->size ? reader->size : whole;
	*reader = (struct reader){reader->data + whole, reader->size - whole};
	return 1;
}

/* The error that NLMSG_ERROR and NLMSG_DONE begin with, 0 for none; -EBADMSG. */
static int read_error(const struct reader *reader)
{
	int32_t error;

	if (reader->size < sizeof(error))
		return -EBADMSG;
	memcpy(&error, reader->data, sizeof(error));
	return error > 0 || error < -4095 ? -EBADMSG : error;
}

int sock_diag_parse(const struct sock_diag_query *query, const void *data, size_t size,
		    struct sock_diag_sockets *ret)
{
	struct reader reader = {data, size}, content;
	struct nlmsghdr header;
	int r;

	while ((r = next_message(&reader, &header, &content)) > 0) {
		int err = 0;

		if (header.nlmsg_type == NLMSG_DONE)
			return content.size ? read_error(&content) : 0;
		if (header.nlmsg_type == NLMSG_ERROR)
			err = read_error(&content);
		else if (header.nlmsg_type == SOCK_DIAG_BY_FAMILY)
			err = parse_socket(query, content, ret);
		if (err)
			return err;
	}
	return r < 0 ? r : 1;
}

int sock_diag_parse_errors(const void *data, size_t size, size_t *refused)
{
	struct reader reader = {data, size}, content;
	struct nlmsghdr header;
	int first = 0, r;

	while ((r = next_message(&reader, &header, &content)) > 0) {
		int err = header.nlmsg_type == NLMSG_ERROR ? read_error(&content) : 0;

		if (!err)
			continue;
		(*refused)++;
		if (!first && err != -ENOENT && err != -ESTALE)
			first = err;
	}
	return first ? first : r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/client_peer.h"

#include "rescue/tcp_segment.h"

#include <errno.h>
#include <string.h>

enum { MSS = 16384 };

static struct addr to_addr(const struct sw_addr *addr)
{
	struct addr ret;

	memcpy(ret.bytes, addr->bytes, sizeof(ret.bytes));
	return ret;
}

struct client_peer client_peer_of(const struct sw_rescue *record)
{
	return (struct client_peer){.socket = {.local = to_addr(&record->client_addr),
					       .peer = to_addr(&record->backend_addr),
					       .local_port = record->client_port,
					       .peer_port = record->backend_port,
					       .cookie = record->cookie}};
}

struct client_peer client_peer_of_outstanding(uint64_t cookie,
					      const struct sw_outstanding *outstanding)
{
	return (struct client_peer){.socket = {.local = to_addr(&outstanding->client_addr),
					       .peer = to_addr(&outstanding->backend_addr),
					       .local_port = outstanding->client_port,
					       .peer_port = outstanding->backend_port,
					       .cookie = cookie}};
}

int client_peer_find(struct client_peer *peer, struct client_netns_cache *cache, uint64_t now)
{
	return client_netns_find(cache, &peer->socket, now, &peer->netns);
}

void client_peer_done(struct client_peer *peer)
{
	client_netns_unref(peer->netns);
	peer->netns = NULL;
}

int client_peer_send(const struct client_peer *peer, enum sw_order order, uint8_t flags,
		     uint32_t seq, uint32_t ack, const void *data, size_t len)
{
	struct tcp_segment segment = {.source = peer->socket.peer,
				      .target = peer->socket.local,
				      .source_port = peer->socket.peer_port,
				      .target_port = peer->socket.local_port,
				      .seq = seq,
				      .ack = ack,
				      .flags = flags,
				      .urgent = (uint16_t)order,
				      .mss = flags & SEGMENT_SYN ? MSS : 0,
				      .data = data,
				      .len = len};
	uint8_t packet[SEGMENT_SIZE_MAX];
	size_t size = tcp_segment_write(&segment, packet);

	if (!peer->netns)
		return -ENOENT;
	return client_netns_send(peer->netns, &segment.target, packet, size);
}

int client_peer_reset_backend(const struct client_peer *peer, uint32_t seq)
{
	struct tcp_segment segment = {.source = peer->socket.local,
				      .target = peer->socket.peer,
				      .source_port = peer->socket.local_port,
				      .target_port = peer->socket.peer_port,
				      .seq = seq,
				      .flags = SEGMENT_RST};
	uint8_t packet[SEGMENT_SIZE_MAX];
	size_t size = tcp_segment_write(&segment, packet);

	return client_netns_send(peer->netns, &segment.target, packet, size);
}

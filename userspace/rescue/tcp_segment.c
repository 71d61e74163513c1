/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/tcp_segment.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

enum { MSS_OPTION = 2, MSS_OPTION_SIZE = 4, HOP_LIMIT = 64 };

static uint64_t sum16(const void *data, size_t len, uint64_t sum)
{
	const uint8_t *bytes = data;

	for (; len > 1; bytes += 2, len -= 2)
		sum += (uint64_t)(bytes[0] << 8 | bytes[1]);
	if (len)
		sum += (uint64_t)bytes[0] << 8;
	return sum;
}

/* In network order, ready to be stored. */
static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Addresses, length and protocol (RFC 9293, 3.1). */
static uint64_t pseudo_header(const struct tcp_segment *segment, size_t tcp_len)
{
	size_t skip = addr_is_v4(&segment->source) ? 12 : 0;
	uint64_t sum = IPPROTO_TCP + tcp_len;

	sum = sum16(segment->source.bytes + skip, 16 - skip, sum);
	return sum16(segment->target.bytes + skip, 16 - skip, sum);
}

static size_t write_ip4(const struct tcp_segment *segment, size_t tcp_len, uint8_t *out)
{
	struct iphdr ip = {.version = 4,
			   .ihl = sizeof(ip) / 4,
			   .tot_len = htons((uint16_t)(sizeof(ip) + tcp_len)),
			   .frag_off = htons(IP_DF),
			   .ttl = HOP_LIMIT,
			   .protocol = IPPROTO_TCP};

	memcpy(&ip.saddr, segment->source.bytes + 12, sizeof(ip.saddr));
	memcpy(&ip.daddr, segment->target.bytes + 12, sizeof(ip.daddr));
	memcpy(out, &ip, sizeof(ip));
	ip.check = fold(sum16(out, sizeof(ip), 0));
	memcpy(out, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t write_ip6(const struct tcp_segment *segment, size_t tcp_len, uint8_t *out)
{
	struct ip6_hdr ip = {};

	ip.ip6_flow = htonl(6U << 28);
	ip.ip6_plen = htons((uint16_t)tcp_len);
	ip.ip6_nxt = IPPROTO_TCP;
	ip.ip6_hlim = HOP_LIMIT;
	memcpy(&ip.ip6_src, segment->source.bytes, sizeof(ip.ip6_src));
	memcpy(&ip.ip6_dst, segment->target.bytes, sizeof(ip.ip6_dst));
	memcpy(out, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t write_options(const struct tcp_segment *segment, uint8_t *out)
{
	if (!segment->mss)
		return 0;
	out[0] = MSS_OPTION;
	out[1] = MSS_OPTION_SIZE;
	out[2] = (uint8_t)(segment->mss >> 8);
	out[3] = (uint8_t)segment->mss;
	return MSS_OPTION_SIZE;
}

size_t tcp_segment_write(const struct tcp_segment *segment, uint8_t ret[static SEGMENT_SIZE_MAX])
{
	size_t header = sizeof(struct tcphdr) + (segment->mss ? MSS_OPTION_SIZE : 0);
	size_t tcp_len = header + segment->len, at;
	struct tcphdr tcp = {.source = htons(segment->source_port),
			     .dest = htons(segment->target_port),
			     .seq = htonl(segment->seq),
			     .ack_seq = htonl(segment->ack),
			     .window = htons(UINT16_MAX),
			     .urg_ptr = htons(segment->urgent)};

	tcp.doff = (uint16_t)(header / 4) & 15;
	at = addr_is_v4(&segment->source) ? write_ip4(segment, tcp_len, ret)
					  : write_ip6(segment, tcp_len, ret);
	memcpy(ret + at, &tcp, sizeof(tcp));
	ret[at + 13] = segment->flags;
	write_options(segment, ret + at + sizeof(tcp));
	if (segment->len)
		memcpy(ret + at + header, segment->data, segment->len);
	tcp.check = fold(sum16(ret + at, tcp_len, pseudo_header(segment, tcp_len)));
	memcpy(ret + at + offsetof(struct tcphdr, check), &tcp.check, sizeof(tcp.check));
	return at + tcp_len;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A TCP segment as cgroup_skb sees it, from the IP header on: the only file that reads packets. */
#pragma once

#include "swerve_abi.h"

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16, TCP_URG = 32 };

struct packet {
	struct sw_addr source;
	struct sw_addr target;
	__u16 source_port; /* host order */
	__u16 target_port; /* host order */
	__u32 seq;
	__u32 ack;
	__u32 offset;  /* of the payload */
	__u32 len;     /* of the payload */
	__u32 options; /* offset of TCP's options, which reach to the payload */
	__u16 window;  /* as it was sent, not scaled */
	__u16 urgent;
	__u32 flags;
};

static __always_inline void packet_map_v4(struct sw_addr *addr, __u32 v4)
{
	__u32 *words = (__u32 *)addr->bytes;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = v4;
}

/* Returns where the TCP header begins; 0 if there is none. */
static __always_inline __u32 packet_read_ip(struct __sk_buff *skb, struct packet *ret)
{
	struct ipv6hdr v6;
	struct iphdr v4;

	if (bpf_skb_load_bytes(skb, 0, &v4, sizeof(v4)))
		return 0;
	if (v4.version == 4) {
		packet_map_v4(&ret->source, v4.saddr);
		packet_map_v4(&ret->target, v4.daddr);
		return v4.protocol == IPPROTO_TCP ? v4.ihl * 4 : 0;
	}
	if (v4.version != 6 || bpf_skb_load_bytes(skb, 0, &v6, sizeof(v6)))
		return 0;
	__builtin_memcpy(&ret->source, &v6.saddr, sizeof(ret->source));
	__builtin_memcpy(&ret->target, &v6.daddr, sizeof(ret->target));
	return v6.nexthdr == IPPROTO_TCP ? sizeof(v6) : 0;
}

/* Returns whether it is TCP without anything unusual. */
static __always_inline bool packet_read(struct __sk_buff *skb, struct packet *ret)
{
	__u32 start = packet_read_ip(skb, ret);
	__u8 bytes[sizeof(struct tcphdr)];
	struct tcphdr *tcp = (struct tcphdr *)bytes;

	if (!start || bpf_skb_load_bytes(skb, start, bytes, sizeof(bytes)))
		return false;
	ret->source_port = bpf_ntohs(tcp->source);
	ret->target_port = bpf_ntohs(tcp->dest);
	ret->seq = bpf_ntohl(tcp->seq);
	ret->ack = bpf_ntohl(tcp->ack_seq);
	ret->window = bpf_ntohs(tcp->window);
	ret->urgent = bpf_ntohs(tcp->urg_ptr);
	ret->flags = bytes[13];
	ret->options = start + sizeof(bytes);
	ret->offset = start + (bytes[12] >> 4) * 4;
	if (ret->offset < ret->options || ret->offset > skb->len)
		return false;
	ret->len = skb->len - ret->offset;
	return true;
}

/* What a SYN offers. */
struct offer {
	__u32 window_shift; /* 0: none */
	bool multipath;     /* RFC 8684 */
};

static __always_inline void packet_read_offer(struct __sk_buff *skb, const struct packet *packet,
					      struct offer *ret)
{
	__u32 at = packet->options;
	__u8 option[3];

	for (int i = 0; i < 12; i++) {
		if (at + sizeof(option) > packet->offset ||
		    bpf_skb_load_bytes(skb, at, option, sizeof(option)) || option[0] == 0)
			return;
		if (option[0] == 3)
			ret->window_shift = option[2] > 14 ? 14 : option[2];
		if (option[0] == 30)
			ret->multipath = true;
		at += option[0] == 1 ? 1 : option[1];
	}
}

/*
 * Copies `len` bytes from `offset` on, from 1 to `max` (a constant). Returns whether it did. The
 * length is 64 bits wide, or the verifier loses its limits between test and use (-mcpu=v2), and one
 * less while it is tested, since verifiers before Linux 5.13 learn nothing of a minimum from "!= 0".
 */
static __always_inline bool packet_copy(struct __sk_buff *skb, __u32 offset, void *to, __u64 len,
					__u64 max)
{
	len -= 1;
	barrier_var(len);
	if (len >= max)
		return false;
	return !bpf_skb_load_bytes(skb, offset, to, len + 1);
}

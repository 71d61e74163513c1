/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may use the address of a load balancer (loadBalancerSourceRanges). When connect() chooses a
 * backend the socket has no address yet, so what it sends is looked at: the first packet of a TCP
 * connection, each datagram of UDP. Attached only while some Service has ranges. All other sockets
 * leave after one look-up of their storage, those of UDP after two.
 */
#include "sources.bpf.h"
#include "udp.bpf.h"

#include <linux/in.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum {
	HOOK_DROP = 0, /* the sender is told EPERM: TCP tells nobody, and tries again */
	HOOK_PASS = 1,
	/* As if the network had lost it: sendto() succeeds, unless the socket has IP_RECVERR. */
	HOOK_LOSE = 2,
};

enum { TCP_SYN_SENT = 2 };

struct packet {
	struct sw_addr from;
	struct sw_addr to;
	__u16 to_port; /* host order */
};

/* What was asked for by the socket that sends a packet. */
struct request {
	struct sw_frontend_key key;
	bool on_node;
};

static __always_inline bool read_port(struct __sk_buff *skb, __u32 offset, struct packet *ret)
{
	__be16 port;

	if (bpf_skb_load_bytes(skb, offset + 2, &port, sizeof(port)))
		return false;
	ret->to_port = bpf_ntohs(port);
	return true;
}

static __always_inline bool read_v4(struct __sk_buff *skb, __u8 first, struct packet *ret)
{
	__be32 addrs[2];

	if (bpf_skb_load_bytes(skb, 12, addrs, sizeof(addrs)))
		return false;
	((__u32 *)ret->from.bytes)[2] = ((__u32 *)ret->to.bytes)[2] = bpf_htonl(0xffff);
	((__u32 *)ret->from.bytes)[3] = addrs[0];
	((__u32 *)ret->to.bytes)[3] = addrs[1];
	return read_port(skb, (first & 0xf) * 4, ret);
}

/* Behind IPv6 extension headers the port is not looked for: such a packet passes. */
static __always_inline bool read_v6(struct __sk_buff *skb, __u8 proto, struct packet *ret)
{
	__u8 next;

	if (bpf_skb_load_bytes(skb, 6, &next, sizeof(next)) || next != proto)
		return false;
	if (bpf_skb_load_bytes(skb, 8, &ret->from, sizeof(ret->from)) ||
	    bpf_skb_load_bytes(skb, 24, &ret->to, sizeof(ret->to)))
		return false;
	return read_port(skb, 40, ret);
}

static __always_inline bool read_packet(struct __sk_buff *skb, __u8 proto, struct packet *ret)
{
	__u8 first;

	if (bpf_skb_load_bytes(skb, 0, &first, sizeof(first)))
		return false;
	return first >> 4 == 4 ? read_v4(skb, first, ret) : read_v6(skb, proto, ret);
}

static __always_inline void request_make(const struct sw_addr *addr, __u16 port, __u8 proto,
					 bool on_node, struct request *ret)
{
	ret->key.addr = *addr;
	ret->key.port = port;
	ret->key.proto = proto;
	ret->key.scope = SW_SCOPE_ADDRESS;
	ret->on_node = on_node;
}

/* Of connect(), if the packet goes where that led. */
static __always_inline bool find_connected(const struct sw_socket *socket,
					   const struct packet *packet, __u8 proto,
					   struct request *ret)
{
	if (!socket || socket->backend_port != packet->to_port ||
	    !addr_is(&socket->backend_addr, &packet->to))
		return false;
	request_make(&socket->frontend_addr, socket->frontend_port, proto,
		     socket->flags & SW_SOCKET_ON_NODE, ret);
	return true;
}

/* Of sendto(): the flow was noted a moment ago, when the datagram got its address. */
static __always_inline bool find_flow(struct bpf_sock *sk, const struct packet *packet,
				      struct request *ret)
{
	const struct sw_udp_flows *udp = bpf_sk_storage_get(&sw_udp_flows, sk, 0, 0);
	const struct sw_udp_flow *flow;

	if (!udp)
		return false;
	flow = udp_flow_to(udp, &packet->to, packet->to_port);
	if (!flow)
		return false;
	request_make(&flow->frontend_addr, flow->frontend_port, IPPROTO_UDP,
		     udp->flags & SW_UDP_ON_NODE, ret);
	return true;
}

static __always_inline int on_syn(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct sw_socket *socket = bpf_sk_storage_get(&sw_sockets, sk, 0, 0);
	struct request request = {};
	struct packet packet = {};

	if (!socket || !read_packet(skb, IPPROTO_TCP, &packet) ||
	    !find_connected(socket, &packet, IPPROTO_TCP, &request))
		return HOOK_PASS;
	if (source_may_use(&request.key, request.on_node, &packet.from))
		return HOOK_PASS;
	socket->flags |= SW_SOCKET_FAILED; /* that nobody answers is not the backend's fault */
	return HOOK_DROP;
}

static __always_inline int on_datagram(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct request request = {};
	struct packet packet = {};

	if (!read_packet(skb, IPPROTO_UDP, &packet))
		return HOOK_PASS;
	if (!find_connected(bpf_sk_storage_get(&sw_sockets, sk, 0, 0), &packet, IPPROTO_UDP,
			    &request) &&
	    !find_flow(sk, &packet, &request))
		return HOOK_PASS;
	return source_may_use(&request.key, request.on_node, &packet.from) ? HOOK_PASS : HOOK_LOSE;
}

SEC("cgroup_skb/egress")
int sources_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return HOOK_PASS;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return HOOK_PASS;
	if (sk->protocol == IPPROTO_UDP)
		return on_datagram(skb, sk);
	return sk->state == TCP_SYN_SENT && sk->protocol == IPPROTO_TCP ? on_syn(skb, sk)
									: HOOK_PASS;
}

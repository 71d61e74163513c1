/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which frontend a destination belongs to: the one of that very address, or the NodePort of the node
 * whose address it is. Whose it is, sw_nodes alone says. Like the rest of the core it takes no context.
 */
#pragma once

#include "maps.bpf.h"
#include "swerve_abi.h"

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

static __always_inline bool is_v4_mapped(const struct sw_addr *addr)
{
	const __u32 *words = (const __u32 *)addr->bytes;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

/* Of 127.0.0.0/8; NodePorts are not served at ::1, as with kube-proxy. */
static __always_inline bool is_loopback_v4(const struct sw_addr *addr)
{
	return is_v4_mapped(addr) && addr->bytes[12] == 127;
}

/* Copies the frontend, unless its element was replaced or given to another one meanwhile. */
static __always_inline bool frontend_copy(const struct sw_frontend_key *key,
					  const struct sw_frontend *found, struct sw_frontend *ret)
{
	*ret = *found;
	return ret->check == sw_frontend_check(key, ret);
}

/* Tries twice: an element that was just replaced is found the second time. */
static __always_inline bool frontend_read(const struct sw_frontend_key *key,
					  struct sw_frontend *ret)
{
	struct sw_frontend *found = bpf_map_lookup_elem(&sw_frontends, key);

	if (!found)
		return false;
	if (frontend_copy(key, found, ret))
		return true;
	found = bpf_map_lookup_elem(&sw_frontends, key);
	return found && frontend_copy(key, found, ret);
}

/* enum sw_scope of the NodePorts at the address; SW_SCOPE_ADDRESS if there are none. */
static __always_inline __u8 frontend_scope(const struct sw_addr *addr, bool on_node)
{
	struct sw_addr node = *addr;
	struct sw_node *found;

	if (is_loopback_v4(addr)) {
		if (!on_node)
			return SW_SCOPE_ADDRESS;
		((__u32 *)node.bytes)[3] = bpf_htonl(0x7f000001);
	}
	found = bpf_map_lookup_elem(&sw_nodes, &node);
	if (!found)
		return SW_SCOPE_ADDRESS;
	return found->kind == SW_NODE_OTHER ? SW_SCOPE_OTHER_NODES : SW_SCOPE_THIS_NODE;
}

/*
 * `key` is what is asked for, with the scope SW_SCOPE_ADDRESS; `on_node` is whether the socket is in
 * the network namespace of the node, where 127.0.0.1 is the node's.
 */
static __always_inline bool frontend_find(const struct sw_frontend_key *key, bool on_node,
					  struct sw_frontend *ret)
{
	struct sw_frontend_key node_port = {.port = key->port, .proto = key->proto};

	if (frontend_read(key, ret))
		return true;
	node_port.scope = frontend_scope(&key->addr, on_node);
	if (node_port.scope == SW_SCOPE_ADDRESS)
		return false;
	if (node_port.scope == SW_SCOPE_OTHER_NODES) {
		node_port.addr = key->addr;
		if (frontend_read(&node_port, ret))
			return true;
		node_port.addr = (struct sw_addr){};
	}
	if (is_v4_mapped(&key->addr))
		((__u32 *)node_port.addr.bytes)[2] = bpf_htonl(0xffff);
	return frontend_read(&node_port, ret);
}

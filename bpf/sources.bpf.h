/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which source addresses may use which frontend. What the Service says now counts, not what it said when
 * the socket was connected.
 */
#pragma once

#include "frontend.bpf.h"
#include "maps.bpf.h"
#include "swerve_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SW_MAX_SOURCES);
	__type(key, struct sw_source);
	__type(value, __u32);
} sw_sources SEC(".maps");

/* `on_node` is whether the socket that asks is in the network namespace of the node. */
static __always_inline bool source_may_use(const struct sw_frontend_key *key, bool on_node,
					   const struct sw_addr *from)
{
	struct sw_source source = {.prefix = SW_SOURCE_BITS_ALL};
	struct sw_frontend frontend;

	if (!frontend_read(key, &frontend) || !(frontend.flags & SW_FRONTEND_RANGES))
		return true;
	/* Its packets have the address of the interface to the pod, and not the node's own. */
	if (on_node)
		return frontend.flags & SW_FRONTEND_NODE;
	source.service = frontend.service;
	source.addr = *from;
	return bpf_map_lookup_elem(&sw_sources, &source);
}

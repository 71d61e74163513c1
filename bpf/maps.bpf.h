/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps, and nothing else. What is in them: include/swerve_abi.h; who owns them: bpf/README.md */
#pragma once

#include "swerve_abi.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SW_MAX_FRONTENDS);
	__type(key, struct sw_frontend_key);
	__type(value, struct sw_frontend);
} sw_frontends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SW_MAX_NODES);
	__type(key, struct sw_addr);
	__type(value, struct sw_node);
} sw_nodes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SW_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct sw_service);
} sw_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SW_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct sw_slot);
} sw_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SW_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct sw_backend);
} sw_backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SW_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct sw_backend_load);
} sw_backend_load SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SW_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct sw_outlier);
} sw_outlier SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SW_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct sw_turn);
} sw_turns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SW_EVENTS_SIZE);
} sw_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sw_socket);
} sw_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sw_udp_flows);
} sw_udp_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SW_MAX_AFFINITY);
	__type(key, struct sw_affinity_key);
	__type(value, struct sw_affinity);
} sw_affinity SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SW_MAX_UDP_SPILL);
	__type(key, struct sw_udp_reverse_key);
	__type(value, struct sw_udp_reverse);
} sw_udp_reverse SEC(".maps");

/* Not pinned, as it is of interest for milliseconds only. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sw_udp_last);
} sw_udp_last SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sw_config);
} sw_config SEC(".maps");

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of the rescue programs. None is pinned: what is held back ends with the daemon. */
#pragma once

#include "swerve_rescue.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* Where the conversation on a connection stands. */
enum turn {
	TURN_CONNECTING, /* the SYN was sent */
	TURN_FRESH,      /* no request yet */
	TURN_BEGINNING, /* the first segment of a request is being captured, and has not left yet */
	TURN_CAPTURING, /* another segment of it is */
	TURN_REQUEST,   /* a request was sent, or a part of it, and nothing of the response came */
	TURN_SKIPPED,   /* the same, but that request is left alone */
	TURN_RESPONSE,  /* the response has begun, or is over */
	TURN_DEFERRED, /* the backend failed before there was a request: the first one is replayed */
	TURN_UNDECIDED, /* the same, and a request was sent that is replayed only if it was refused */
	TURN_HELD,      /* the failure is held back, the worker has the request */
	TURN_ANSWERED, /* the worker has sent all of another backend's response */
	TURN_IGNORED,  /* left alone for good: not HTTP/1, pipelined, closed */
};

/* A method that is none of enum sw_method, or a request that could not be captured. */
enum { METHOD_OTHER = 128 };

/* Parts of `bytes`; the first is the request's. */
enum {
	LAST_RESPONSE_AT = SW_REQUEST_MAX,
	LAST_REQUEST_AT = LAST_RESPONSE_AT + SW_LAST_MAX,
	BYTES_SIZE = LAST_REQUEST_AT + SW_LAST_MAX,
};

/*
 * Value of sw_requests, in the socket's storage: only of sockets of services that opted in. The request, and
 * what the worker is told of it, belong to the program that sees what is sent while the turn is BEGINNING or
 * CAPTURING; then the other one waits, which means that what it sees has to come again.
 */
struct request {
	struct bpf_spin_lock lock; /* for `turn`: the programs run on several CPUs at once */
	__u32 turn;                /* enum turn */
	__u32 end;                 /* sequence number after the captured part of the request */
	__u8 window_shift;         /* what the SYN said */
	__u8 is_taken;             /* SW_SOCKET_TAKEN was set */
	__u16 is_reported; /* in TURN_REQUEST: the worker was told, and may answer for the backend */
	__u64 held_until;  /* ns: then the failure is let go, whatever the worker does */
	__u32 methods;     /* of all requests on this connection: enum sw_method, METHOD_OTHER */
	__u32 obstacle;    /* enum sw_obstacle of the request that is left alone */
	struct sw_rescue rescue;
	char bytes[BYTES_SIZE];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct request);
} sw_requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SW_RESCUES_SIZE);
} sw_rescues SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SW_MAX_OUTSTANDING);
	__type(key, __u64);
	__type(value, struct sw_outstanding);
} sw_outstanding SEC(".maps");

/*
 * By the socket's cookie, sw_rescue.since of the request whose failure the worker can not see to: it
 * is let go when it comes again. Writer: userspace. Nobody removes anything.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SW_MAX_LET_GO);
	__type(key, __u64);
	__type(value, __u64);
} sw_let_go SEC(".maps");

/* Requests sent to each service that opted in, for its retry budget. Atomic add. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SW_MAX_SERVICES);
	__type(key, __u32);
	__type(value, __u64);
} sw_request_count SEC(".maps");

/* When the worker was last alive. Writer: userspace, in the mapped .bss. */
volatile __u64 rescue_heartbeat;

/* How often the ring was full, so that a failure had to be let through. */
volatile __u64 rescue_overruns;

/* By enum sw_obstacle, as far as the kernel finds them out. */
volatile __u64 rescue_impossible[SW_OBSTACLE_COUNT];

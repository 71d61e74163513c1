/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the rescue programs (bpf/rescue.bpf.c) and the rescue worker. Nothing in
 * here is pinned: these maps and programs live and die with the daemon, so no other version of it
 * ever sees them. The rules of swerve_abi.h hold: no hidden padding, ports in host order, times in
 * nanoseconds of CLOCK_MONOTONIC.
 *
 * From the kernel to the worker go the records of sw_rescues. From the worker to the kernel goes
 * only TCP: segments in the name of the backend, which the worker sends inside the client's network
 * namespace. The ingress program knows them by their mark and takes its orders from it, so that an
 * order and the bytes that belong to it can not be torn apart.
 */
#pragma once

#include "swerve_abi.h"

enum {
	SW_REQUEST_MAX = 4096,  /* bytes of a request that can be replayed */
	SW_RESPONSE_MAX = 3584, /* bytes of a held response that are kept */
	SW_LAST_MAX = 1792, /* bytes of an exchange's request, and of its response, that are kept */
	SW_RESCUES_SIZE = 8388608,
	SW_MAX_OUTSTANDING = 65536,
	SW_MAX_LET_GO = 4096,
};

/* A worker that has not given a sign of life for so long (ns) gets nothing to hold back. */
#define SW_RESCUE_LEASE 1000000000ULL

/*
 * What is held back is let go when the worker is so late (ns): behind the retry time-out, and behind
 * its last segment of an answer.
 */
#define SW_RESCUE_GRACE 2000000000ULL

/* What can go wrong with a request: bits of sw_policy.retry_on. */
enum sw_failure {
	SW_FAILURE_STATUS = 1,  /* HTTP 500, 502, 503 or 504 */
	SW_FAILURE_RESET = 2,   /* the connection ended before the first byte of the response */
	SW_FAILURE_REFUSED = 4, /* the connection was refused, or its SYN stayed unanswered */
	SW_FAILURE_TIMEOUT = 8, /* no byte of the response within the request time-out */
};

/* Methods: bits of sw_policy.retry_methods. */
enum sw_method {
	SW_METHOD_GET = 1,
	SW_METHOD_HEAD = 2,
	SW_METHOD_OPTIONS = 4,
	SW_METHOD_PUT = 8,
	SW_METHOD_DELETE = 16,
	SW_METHOD_POST = 32,
	SW_METHOD_PATCH = 64,
};

enum sw_rescue_kind {
	SW_RESCUE_REQUEST = 1, /* a request has failed; comes again when more of it was sent */
	SW_RESCUE_CONNECT = 2, /* a connection was refused: there is no request yet */
	SW_RESCUE_PROGRESS =
		3,          /* the client has sent a segment after its request was taken over, or
				   gets the SYN-ACK that accepts a refused connection */
	SW_RESCUE_IDLE = 4, /* the backend has ended a connection on which nothing was under way */
	SW_RESCUE_OVER = 5, /* a request that took too long: the backend has answered after all */
};

/*
 * Why a failed request can not be replayed though the service wants it: each is counted when it fails. The
 * kernel finds out the first ones, the worker the others.
 */
enum sw_obstacle {
	SW_OBSTACLE_METHOD,     /* it may not be repeated */
	SW_OBSTACLE_LENGTH,     /* longer than SW_REQUEST_MAX, or a segment of it too long */
	SW_OBSTACLE_PROTOCOL,   /* no HTTP/1 */
	SW_OBSTACLE_UNKNOWN,    /* a refused connection: no client has spoken HTTP/1 yet */
	SW_OBSTACLE_PIPELINED,  /* more came behind it */
	SW_OBSTACLE_UPGRADE,    /* it asks for another protocol */
	SW_OBSTACLE_EXPECT,     /* it waits for "100 Continue" */
	SW_OBSTACLE_INCOMPLETE, /* the rest of it did not come in time */
	SW_OBSTACLE_EXCHANGE,   /* the exchange before it may not be over */
	SW_OBSTACLE_COUNT,
};

/*
 * Record of sw_rescues: this, then the request. The payload of the response that was held back, as far as it was
 * kept, how the response before began, and the request before are where the record says, in bytes from its own
 * beginning. PROGRESS and OVER have none of them; IDLE has no response that was held back, and the one before is
 * that to the request.
 */
struct sw_rescue {
	__u64 cookie; /* of the client's socket */
	__u64 since; /* when the first byte of the request, or the SYN, was sent: which one it is */
	struct sw_addr client_addr;
	struct sw_addr backend_addr;
	struct sw_addr frontend_addr;
	__u16 client_port;
	__u16 backend_port;
	__u16 frontend_port;
	__u16 request_len;
	__u16 response_len;     /* 0: none was held, or it was too large to keep */
	__u8 kind;              /* enum sw_rescue_kind */
	__u8 failure;           /* enum sw_failure, one bit */
	__u8 tcp_flags;         /* of what was held back, PROGRESS: of that segment */
	__u8 method;            /* enum sw_method, one bit; 0: none of them */
	__u16 last_request_len; /* what is kept of the request before */
	__u32 service;          /* index into sw_services */
	__u32 backend;          /* index into sw_backends */
	__u32 seq;              /* the next that the client expects from the backend */
	__u32 ack;              /* the next that the client will send */
	__u32 window;           /* bytes that the client takes from seq on (PROGRESS) */
	__u32 received;         /* the length of the response before, as far as it came */
	__u8 tail[8];           /* how it ended */
	__u32 last_sent; /* bytes from the beginning of the request before to this one; 0: the first */
	__u16 last_response_len; /* what is kept of the response before */
	__u16 response_at;
	__u16 last_response_at;
	__u16 last_request_at;
	__u32 pad; /* 0 */
};
_Static_assert(sizeof(struct sw_rescue) == 128, "no hidden padding");

/* Value of sw_outstanding, by the socket's cookie: a request, or a SYN, that waits for an answer. */
struct sw_outstanding {
	__u64 since; /* when its first byte was sent */
	struct sw_addr client_addr;
	struct sw_addr backend_addr;
	__u16 client_port;
	__u16 backend_port;
	__u32 service; /* index into sw_services */
	__u32 backend; /* index into sw_backends */
	__u32 pad;     /* 0 */
};
_Static_assert(sizeof(struct sw_outstanding) == 56, "no hidden padding");

/*
 * The worker's mark: the urgent pointer of a segment that has no URG flag and arrives on the
 * loopback device, which no TCP ever sends. What such a segment means, and when it is let through;
 * in any other state of the connection it is dropped. ANSWER and RELEASE acknowledge something of the
 * request that they are for, REPORT has sw_outstanding.since of it in place of sequence number (the
 * low half) and acknowledgement: on a connection that goes on they may come too late.
 */
enum sw_order {
	SW_ORDER_ANSWER = 0x5357,  /* part of another backend's response: while it is replayed */
	SW_ORDER_RELEASE = 0x5358, /* what was held back; the connection is the backend's again */
	SW_ORDER_END = 0x5359,     /* the end that was held back, unless a request was sent since */
	SW_ORDER_REPORT = 0x535a,  /* never let through: tell about the outstanding request */
};

/* The loopback device, in every network namespace. */
#define SW_ORDER_IFINDEX 1

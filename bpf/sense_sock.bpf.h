/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why the kernel ended a connection. sk_err and some more are not in struct bpf_sock, so they are read from
 * the kernel's own struct; their offsets come from the running kernel's BTF (CO-RE), no header of it is needed.
 */
#pragma once

#include "swerve_abi.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <stdbool.h>

/* As on every architecture that BPF programs of cgroups are run on. */
enum {
	SENSE_ENETUNREACH = 101,
	SENSE_ECONNRESET = 104,
	SENSE_ETIMEDOUT = 110,
	SENSE_ECONNREFUSED = 111,
	SENSE_EHOSTUNREACH = 113,
};

#define FROM_KERNEL __attribute__((preserve_access_index))

struct sock {
	int sk_err;
	__u16 sk_protocol;
} FROM_KERNEL;

struct inet_sock {
	struct sock sk;
} FROM_KERNEL;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
} FROM_KERNEL;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 write_seq; /* behind what the application has written */
	__u32 snd_nxt;   /* behind what was sent of it */
} FROM_KERNEL;

/* The positive errno of a socket; 0: none, the application itself ended it. */
static __always_inline int sense_sock_error(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp ? tcp->inet_conn.icsk_inet.sk.sk_err : 0;
}

/* Whether all that the application has written was sent, also when the connection has ended since. */
static __always_inline bool sense_sock_is_sent(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp && tcp->write_seq == tcp->snd_nxt;
}

/* What the error of a connection that was not made says of its backend. */
static __always_inline __u32 sense_connect_evidence(int error)
{
	switch (error) {
	case SENSE_ECONNREFUSED:
		return SW_EVIDENCE_REFUSED;
	case SENSE_ETIMEDOUT:
		return SW_EVIDENCE_TIMEOUT;
	case SENSE_EHOSTUNREACH:
	case SENSE_ENETUNREACH:
		return SW_EVIDENCE_UNREACHABLE;
	default:
		return SW_EVIDENCE_NONE;
	}
}

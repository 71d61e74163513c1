/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The fields of struct bpf_sock_addr: the only file that touches them. user_port and user_ip* are
 * in network byte order; the kernel allows 32-bit access to each word, and not more.
 */
#pragma once

#include "swerve_abi.h"

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* The IPv4 address is the last of the four words, after ::ffff. */
static __always_inline void ctx_read4(struct bpf_sock_addr *ctx, struct sw_addr *addr, __u16 *port)
{
	__u32 *words = (__u32 *)addr->bytes;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = ctx->user_ip4;
	*port = bpf_ntohs(ctx->user_port);
}

static __always_inline void ctx_write4(struct bpf_sock_addr *ctx, const struct sw_addr *addr,
				       __u16 port)
{
	const __u32 *words = (const __u32 *)addr->bytes;

	ctx->user_ip4 = words[3];
	ctx->user_port = bpf_htons(port);
}

static __always_inline void ctx_read6(struct bpf_sock_addr *ctx, struct sw_addr *addr, __u16 *port)
{
	__u32 *words = (__u32 *)addr->bytes;

	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
	*port = bpf_ntohs(ctx->user_port);
}

static __always_inline void ctx_write6(struct bpf_sock_addr *ctx, const struct sw_addr *addr,
				       __u16 port)
{
	const __u32 *words = (const __u32 *)addr->bytes;

	ctx->user_ip6[0] = words[0];
	ctx->user_ip6[1] = words[1];
	ctx->user_ip6[2] = words[2];
	ctx->user_ip6[3] = words[3];
	ctx->user_port = bpf_htons(port);
}

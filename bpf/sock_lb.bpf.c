/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hooks: read the context, ask the core, write the context. IPv6 hooks see IPv4-mapped
 * addresses of dual-stack sockets, which have the same keys as IPv4, so there is one path.
 */
#include "choose.bpf.h"
#include "config.bpf.h"
#include "peer.bpf.h"
#include "sock_ctx.bpf.h"
#include "udp.bpf.h"

#include <linux/in.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum { HOOK_REJECT = 0, HOOK_ALLOW = 1, ECONNREFUSED = 111, EHOSTUNREACH = 113 };

/*
 * Where kube-proxy drops, since the policy is Local and the endpoints are elsewhere, waiting would be
 * in vain: EHOSTUNREACH tells it apart from a service without endpoints.
 */
static __always_inline int refuse(const struct choice *choice)
{
	if (!load_config.have_set_retval)
		return CHOICE_REFUSE;
	if (choice->flags & SW_FRONTEND_ELSEWHERE)
		bpf_set_retval(-EHOSTUNREACH);
	else
		bpf_set_retval(-ECONNREFUSED);
	return CHOICE_REFUSE;
}

/* 1 if a network namespace is the node's own, else 0; a branch would double the verifier's work. */
static __always_inline __u32 is_node_netns(__u64 cookie)
{
	__u64 node = load_config.node_netns;
	__u64 difference = cookie ^ (node ? node : bpf_get_netns_cookie(NULL));

	return is_less(difference, 1);
}

/*
 * 0.0.0.0 as a destination is 127.0.0.1 to the kernel, which says so only after the hook. `::` becomes
 * ::1, where there are no NodePorts. Without a branch, for the verifier's sake.
 */
static __always_inline void any_to_loopback(struct sw_addr *addr)
{
	__u32 *words = (__u32 *)addr->bytes;
	__u64 any = is_less(words[0] | words[1] | (words[2] ^ bpf_htonl(0xffff)) | words[3], 1);

	barrier_var(any);
	words[3] |= bpf_htonl(INADDR_LOOPBACK) & (__u32)-any;
}

/*
 * kube-proxy's REJECT: ECONNREFUSED. Without bpf_set_retval() a rejected call fails with EPERM
 * whatever we do; so it is sent to port 0 of the loopback address, where nothing can ever listen,
 * and the kernel itself refuses: TCP at once, UDP when the application waits for the answer.
 */
static __always_inline int refuse_connect(const struct sw_frontend_key *key, struct choice *choice)
{
	__u32 *words = (__u32 *)choice->addr.bytes;

	if (load_config.have_set_retval)
		return refuse(choice);
	__builtin_memcpy(&choice->addr, &key->addr, sizeof(choice->addr));
	if (is_v4_mapped(&choice->addr)) {
		words[3] = bpf_htonl(INADDR_LOOPBACK);
	} else {
		words[0] = words[1] = words[2] = 0;
		words[3] = bpf_htonl(1);
	}
	choice->port = 0;
	return CHOICE_BACKEND;
}

/* Returns enum choice_verdict; for CHOICE_BACKEND the call goes to *choice. */
static __always_inline int sock_connect(struct bpf_sock_addr *ctx, struct sw_frontend_key *key,
					struct choice *choice)
{
	struct asker asker = {.client = bpf_get_netns_cookie(ctx)};
	int verdict;

	if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
		return CHOICE_NOT_OURS;
	/* Read again: the verifier would follow each of the two values on its own from here on. */
	key->proto = *(volatile __u32 *)&ctx->protocol;
	key->scope = SW_SCOPE_ADDRESS;
	any_to_loopback(&key->addr);
	asker.on_node = is_node_netns(asker.client);
	if (!udp_tried(&asker, is_less(key->proto ^ IPPROTO_UDP, 1)))
		return CHOICE_NOT_OURS;
	verdict = choose_backend(key, &asker, choice);
	if (key->proto == IPPROTO_UDP && verdict != CHOICE_REFUSE)
		udp_connected(ctx, &asker, key, verdict == CHOICE_BACKEND ? choice : 0);
	if (verdict == CHOICE_BACKEND) {
		peer_remember(ctx->sk, &asker, key, choice);
		return verdict;
	}
	peer_forget(ctx->sk, key);
	return verdict == CHOICE_REFUSE ? refuse_connect(key, choice) : verdict;
}

/*
 * A datagram with an address; the kernel does not call the hook for one without, on a connected
 * socket. Returns enum choice_verdict.
 */
static __always_inline int sock_sendmsg(struct bpf_sock_addr *ctx, struct sw_frontend_key *key,
					struct choice *choice)
{
	struct asker asker = {.client = bpf_get_netns_cookie(ctx)};
	int verdict;

	if (ctx->protocol != IPPROTO_UDP)
		return CHOICE_NOT_OURS;
	key->proto = IPPROTO_UDP;
	key->scope = SW_SCOPE_ADDRESS;
	any_to_loopback(&key->addr);
	asker.on_node = is_node_netns(asker.client);
	udp_has(ctx->sk, key, &asker);
	if (!udp_tried(&asker, 1))
		return CHOICE_NOT_OURS;
	verdict = choose_backend(key, &asker, choice);
	if (verdict == CHOICE_BACKEND)
		udp_remember(ctx, &asker, key, choice);
	else if (verdict == CHOICE_NOT_OURS)
		udp_forget(ctx, &key->addr, key->port);
	else
		refuse(choice);
	return verdict;
}

SEC("cgroup/connect4")
int sock_connect4(struct bpf_sock_addr *ctx)
{
	struct sw_frontend_key key = {};
	struct choice choice = {};
	int verdict;

	ctx_read4(ctx, &key.addr, &key.port);
	verdict = sock_connect(ctx, &key, &choice);
	if (verdict == CHOICE_BACKEND)
		ctx_write4(ctx, &choice.addr, choice.port);
	return verdict == CHOICE_REFUSE ? HOOK_REJECT : HOOK_ALLOW;
}

SEC("cgroup/connect6")
int sock_connect6(struct bpf_sock_addr *ctx)
{
	struct sw_frontend_key key = {};
	struct choice choice = {};
	int verdict;

	ctx_read6(ctx, &key.addr, &key.port);
	verdict = sock_connect(ctx, &key, &choice);
	if (verdict == CHOICE_BACKEND)
		ctx_write6(ctx, &choice.addr, choice.port);
	return verdict == CHOICE_REFUSE ? HOOK_REJECT : HOOK_ALLOW;
}

SEC("cgroup/sendmsg4")
int sock_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct sw_frontend_key key = {};
	struct choice choice = {};
	int verdict;

	ctx_read4(ctx, &key.addr, &key.port);
	verdict = sock_sendmsg(ctx, &key, &choice);
	if (verdict == CHOICE_BACKEND)
		ctx_write4(ctx, &choice.addr, choice.port);
	return verdict == CHOICE_REFUSE ? HOOK_REJECT : HOOK_ALLOW;
}

SEC("cgroup/sendmsg6")
int sock_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct sw_frontend_key key = {};
	struct choice choice = {};
	int verdict;

	ctx_read6(ctx, &key.addr, &key.port);
	verdict = sock_sendmsg(ctx, &key, &choice);
	if (verdict == CHOICE_BACKEND)
		ctx_write6(ctx, &choice.addr, choice.port);
	return verdict == CHOICE_REFUSE ? HOOK_REJECT : HOOK_ALLOW;
}

SEC("cgroup/recvmsg4")
int sock_recvmsg4(struct bpf_sock_addr *ctx)
{
	struct peer peer = {};

	ctx_read4(ctx, &peer.addr, &peer.port);
	if (udp_recall(ctx, &peer))
		ctx_write4(ctx, &peer.addr, peer.port);
	return HOOK_ALLOW;
}

SEC("cgroup/recvmsg6")
int sock_recvmsg6(struct bpf_sock_addr *ctx)
{
	struct peer peer = {};

	ctx_read6(ctx, &peer.addr, &peer.port);
	if (udp_recall(ctx, &peer))
		ctx_write6(ctx, &peer.addr, peer.port);
	return HOOK_ALLOW;
}

SEC("cgroup/getpeername4")
int sock_getpeername4(struct bpf_sock_addr *ctx)
{
	struct peer peer = {};

	ctx_read4(ctx, &peer.addr, &peer.port);
	if (peer_recall(ctx->sk, &peer))
		ctx_write4(ctx, &peer.addr, peer.port);
	return HOOK_ALLOW;
}

SEC("cgroup/getpeername6")
int sock_getpeername6(struct bpf_sock_addr *ctx)
{
	struct peer peer = {};

	ctx_read6(ctx, &peer.addr, &peer.port);
	if (peer_recall(ctx->sk, &peer))
		ctx_write6(ctx, &peer.addr, peer.port);
	return HOOK_ALLOW;
}

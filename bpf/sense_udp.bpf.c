/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A connected UDP socket learns by ICMP that nobody listens where its datagram went. The kernel hands
 * such errors to the socket past the filters of cgroups, so this is a tracepoint (Linux 5.14) that every
 * error of any TCP or UDP socket passes: all but those that connect() gave a backend leave at once.
 */
#include "sense.bpf.h"
#include "sense_sock.bpf.h"

#include <linux/in.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/inet_sk_error_report")
int sense_udp_error(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct sw_socket *socket;

	if (sk->sk_protocol != IPPROTO_UDP || sk->sk_err != SENSE_ECONNREFUSED)
		return 0;
	socket = bpf_sk_storage_get(&sw_sockets, sk, 0, 0);
	if (socket)
		sense_failure(socket, SW_EVIDENCE_NO_PORT, 0);
	return 0;
}

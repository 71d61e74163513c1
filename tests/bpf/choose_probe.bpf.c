/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The core of the choice, run in the kernel without being attached: BPF_PROG_TEST_RUN does not
 * exist for the hooks themselves.
 */
#include "choose.bpf.h"

#include "../tests/bpf/choose_probe.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("syscall")
int choose_probe(struct choose_probe *probe)
{
	struct sw_frontend_key key = probe->key;
	struct asker asker = {};
	struct choice choice = {};
	int verdict = choose_backend(&key, &asker, &choice);

	probe->rank = choice.rank;
	probe->backend = choice.backend;
	probe->service = choice.service;
	probe->port = choice.port;
	probe->addr = choice.addr;
	return verdict;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF object that sees UDP datagrams refused (bpf/sense_udp.bpf.c). An object of its own, since it
 * needs a tracepoint of Linux 5.14, and the rest of sense works without it. Not pinned: it ends with
 * the daemon.
 */
#pragma once

struct dp_sense_udp; /* opaque */

/* Loads it, with the maps that are pinned, and attaches it. NULL if the kernel does not take it; logs why. */
struct dp_sense_udp *dp_sense_udp_install(const char *pin_dir);

/* NULL is allowed. */
void dp_sense_udp_close(struct dp_sense_udp *udp);

/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP segment with its IP header, as bytes for a raw socket. Pure. */
#pragma once

#include "base/addr.h"

#include <stddef.h>
#include <stdint.h>

enum { SEGMENT_FIN = 1, SEGMENT_SYN = 2, SEGMENT_RST = 4, SEGMENT_PSH = 8, SEGMENT_ACK = 16 };

enum {
	SEGMENT_PAYLOAD_MAX = 16384, /* the loopback device takes 64 KiB; this needs fewer pages */
	SEGMENT_PAYLOAD_MIN = 512,   /* which any device takes */
	SEGMENT_HEADERS_MAX = 64,
	SEGMENT_SIZE_MAX = SEGMENT_HEADERS_MAX + SEGMENT_PAYLOAD_MAX,
};

struct tcp_segment {
	struct addr source; /* both of one family */
	struct addr target;
	uint16_t source_port;
	uint16_t target_port;
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;
	uint16_t urgent;  /* the urgent pointer, for enum sw_order */
	uint16_t mss;     /* option of a SYN; 0: none */
	const void *data; /* at most SEGMENT_PAYLOAD_MAX bytes */
	size_t len;
};

/* Writes headers, checksums and payload. Returns the size. */
size_t tcp_segment_write(const struct tcp_segment *segment, uint8_t ret[static SEGMENT_SIZE_MAX]);

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The status of an HTTP/1.x response in its first bytes. Pure. */
#pragma once

#include <linux/types.h>

#include <stdbool.h>

enum {
	SENSE_STATUS_LINE = 12,       /* bytes that tell the status: "HTTP/1.1 200" */
	SENSE_STATUS_NONE = 0,        /* this is no HTTP/1.x */
	SENSE_STATUS_SWITCHING = 101, /* what follows is no HTTP any more */
};

static __always_inline bool sense_is_digit(__u8 byte)
{
	return byte >= '0' && byte <= '9';
}

/* The status of the response that begins with these bytes (RFC 9112, 4), or SENSE_STATUS_NONE. */
static __always_inline __u32 sense_http_status(const __u8 line[SENSE_STATUS_LINE])
{
	if (line[0] != 'H' || line[1] != 'T' || line[2] != 'T' || line[3] != 'P' ||
	    line[4] != '/' || line[5] != '1' || line[6] != '.' || !sense_is_digit(line[7]) ||
	    line[8] != ' ')
		return SENSE_STATUS_NONE;
	if (!sense_is_digit(line[9]) || !sense_is_digit(line[10]) || !sense_is_digit(line[11]))
		return SENSE_STATUS_NONE;
	return (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
}

/*
 * Whether the backend is to blame. 501 and 505 are answers to what the client asked for, as are all
 * below 500 (HAProxy's rule for observe layer7).
 */
static __always_inline bool sense_status_is_failure(__u32 status)
{
	return status == 500 || status == 502 || status == 503 || status == 504;
}

/* 1xx come before the response proper; 101 is one: after it the connection is no longer HTTP. */
static __always_inline bool sense_status_is_interim(__u32 status)
{
	return status >= 100 && status < 200 && status != SENSE_STATUS_SWITCHING;
}

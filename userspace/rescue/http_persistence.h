/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a connection stays open behind a message (RFC 9112, 9.3). Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether a request or a response, of which all of the head is there, leaves its connection open:
 * HTTP/1.1 does unless "Connection" has "close", HTTP/1.0 does if it has "keep-alive". Interim
 * responses (1xx) before the response are skipped. False for what is not HTTP/1.x.
 */
bool http_stays_open(const char *message, size_t len);

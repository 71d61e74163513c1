/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's codes as -errno and as words. Only for net/. */
#pragma once

#include <curl/curl.h>

/*
 * What a code other than CURLE_OK means; os_errno is CURLINFO_OS_ERRNO. Returns -ECONNREFUSED,
 * -ECONNRESET (also: closed before the end), -ETIMEDOUT, -EHOSTUNREACH, -ENETUNREACH, -EPROTO (what
 * answers does not speak the protocol), or -EIO.
 */
int transfer_error(CURLcode code, long os_errno);

/* A few words for people, static. `error` is what transfer_error() made of `code`. */
const char *transfer_error_str(int error, CURLcode code);

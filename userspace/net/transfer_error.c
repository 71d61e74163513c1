/* SPDX-License-Identifier: Apache-2.0 */
#include "net/transfer_error.h"

#include <errno.h>

static int error_from_os(long os_errno)
{
	switch (os_errno) {
	case ECONNREFUSED:
	case ECONNRESET:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return (int)-os_errno;
	case EPIPE:
		return -ECONNRESET;
	default:
		return -EIO;
	}
}

int transfer_error(CURLcode code, long os_errno)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return -ECONNRESET;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: no status line */
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return -EPROTO;
	case CURLE_RECV_ERROR: /* without an errno: chunks that make no sense */
	case CURLE_SSL_CONNECT_ERROR:
		return os_errno ? error_from_os(os_errno) : -EPROTO;
	case CURLE_COULDNT_CONNECT:
	case CURLE_SEND_ERROR:
		return error_from_os(os_errno);
	default:
		return -EIO;
	}
}

static const char *protocol_str(CURLcode code)
{
	switch (code) {
	case CURLE_SSL_CONNECT_ERROR:
		return "TLS handshake failed";
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return "answer is not HTTP/2";
	default:
		return "answer is not HTTP";
	}
}

const char *transfer_error_str(int error, CURLcode code)
{
	switch (error) {
	case -ECONNREFUSED:
		return "connection refused";
	case -ECONNRESET:
		return code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE
			       ? "closed before the end of the answer"
			       : "connection reset";
	case -ETIMEDOUT:
		return "timed out";
	case -EHOSTUNREACH:
		return "no route to host";
	case -ENETUNREACH:
		return "network unreachable";
	case -EPROTO:
		return protocol_str(code);
	default:
		return curl_easy_strerror(code);
	}
}

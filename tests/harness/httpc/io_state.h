/* SPDX-License-Identifier: Apache-2.0 */
/* What every style keeps; the first member of its own state. */
#ifndef TESTS_HTTPC_IO_STATE_H
#define TESTS_HTTPC_IO_STATE_H

struct io_style;

struct io {
	const struct io_style *style;
	int timeout_ms;
};

#endif

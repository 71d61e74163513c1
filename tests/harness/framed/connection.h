/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FRAMED_CONNECTION_H
#define TESTS_FRAMED_CONNECTION_H

/*
 * Serves a connection until it ends, as mode.h says, and closes it. Blocks. Each whole request is one
 * line on stdout: "METHOD PATH body=BYTES attempt=N mode=NAME from=ADDRESS".
 */
void connection_serve(int fd);

#endif

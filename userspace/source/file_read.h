/* SPDX-License-Identifier: Apache-2.0 */
/* A whole file as bytes. */
#pragma once

#include <stddef.h>

/*
 * Reads a regular file of at most max bytes; *ret_text is the caller's. Returns 0, -errno,
 * -EINVAL if it is not a regular file, -EFBIG if it is larger.
 */
int file_read(const char *path, size_t max, char **ret_text, size_t *ret_size);

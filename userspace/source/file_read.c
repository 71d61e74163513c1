/* SPDX-License-Identifier: Apache-2.0 */
#include "source/file_read.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

/* O_NONBLOCK: a FIFO must not hold up the loop until somebody writes to it. */
static int open_regular(const char *path, size_t max, size_t *ret_size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uintmax_t)st.st_size > max)
		return -EFBIG;
	*ret_size = (size_t)st.st_size;
	return TAKE_FD(fd);
}

/* Reads until the buffer is full or the file ends. */
static int read_full(int fd, char *buf, size_t size, size_t *ret_len)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

int file_read(const char *path, size_t max, char **ret_text, size_t *ret_size)
{
	size_t size = 0;
	size_t len = 0;
	_cleanup_close_ int fd = open_regular(path, max, &size);
	_cleanup_free_ char *text = NULL;
	int r;

	if (fd < 0)
		return fd;
	text = malloc(size + 1);
	if (!text)
		return -ENOMEM;
	r = read_full(fd, text, size, &len);
	if (r < 0)
		return r;
	*ret_text = TAKE_PTR(text);
	*ret_size = len;
	return 0;
}

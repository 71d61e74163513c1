/* SPDX-License-Identifier: Apache-2.0 */
/* A line is built on the stack and written at once, so lines of several threads do not mix. */
#include "base/log.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_SIZE = 2048, ESCAPED_SIZE = 4 }; /* bytes of a message; of one byte as \x1b */

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};
_Static_assert(ARRAY_SIZE(level_names) == LOG_LEVEL_COUNT, "a name for each level");

static atomic_int current_level = LOG_INFO;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

int log_level_from_str(const char *text, enum log_level *ret)
{
	for (enum log_level level = LOG_ERROR; level < LOG_LEVEL_COUNT; level++) {
		if (strcmp(text, level_names[level]) == 0) {
			*ret = level;
			return 0;
		}
	}
	return -EINVAL;
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

static size_t write_head(char *line, size_t size, enum log_level level)
{
	struct timespec now;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &tm);
	len += (size_t)snprintf(line + len, size - len, ".%03ldZ level=%s msg=\"",
				now.tv_nsec / 1000000, level_names[level]);
	return len;
}

/* Writes c so that it can neither end the text nor the line. Returns the bytes written. */
static size_t write_escaped(char out[static ESCAPED_SIZE + 1], unsigned char c)
{
	if (c == '"' || c == '\\' || c == '\n') {
		out[0] = '\\';
		out[1] = c == '\n' ? 'n' : (char)c;
		return 2;
	}
	if (c < 0x20 || c == 0x7f)
		return (size_t)snprintf(out, ESCAPED_SIZE + 1, "\\x%02x", c);
	out[0] = (char)c;
	return 1;
}

void log_line(enum log_level level, const char *format, ...)
{
	char text[TEXT_SIZE], line[TEXT_SIZE * ESCAPED_SIZE + 128];
	int saved_errno = errno;
	va_list args;
	size_t len;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	len = write_head(line, sizeof(line), level);
	for (const char *c = text; *c; c++)
		len += write_escaped(line + len, (unsigned char)*c);
	line[len++] = '"';
	line[len++] = '\n';
	/* There is nowhere to report to that stderr does not take the line. */
	if (write(STDERR_FILENO, line, len) < 0)
		errno = saved_errno;
	errno = saved_errno;
}

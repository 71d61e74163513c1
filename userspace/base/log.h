/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines on stderr: "2026-11-22T10:00:00.123Z level=info msg=\"…\"". Only the edges log (agent,
 * main, drivers); libraries return errors. The message says what failed, on which object, and what
 * happens next.
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVEL_COUNT };

void log_set_level(enum log_level level);

/* Parses error, warn, info or debug. Returns 0 or -EINVAL. */
int log_level_from_str(const char *text, enum log_level *ret);

bool log_enabled(enum log_level level);

/* One line; control characters and quotes in the text are escaped, so one call is one line. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

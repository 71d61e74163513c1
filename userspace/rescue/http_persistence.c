/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/http_persistence.h"

#include "rescue/http_field.h"

#include <string.h>

enum version { VERSION_NONE, VERSION_1_0, VERSION_1_1 };

/* A request line ends with the version, a status line begins with it. `len` is without the CRLF. */
static enum version version_of(const char *line, size_t len)
{
	const size_t size = strlen("HTTP/1.x");
	const char *at = line;

	if (len < size)
		return VERSION_NONE;
	if (memcmp(line, "HTTP/1.", size - 1))
		at = line + len - size;
	if (memcmp(at, "HTTP/1.", size - 1))
		return VERSION_NONE;
	return at[size - 1] == '1' ? VERSION_1_1 : at[size - 1] == '0' ? VERSION_1_0 : VERSION_NONE;
}

static bool is_interim(const char *line, size_t len)
{
	return len > strlen("HTTP/1.1 1") && !memcmp(line, "HTTP/1.", strlen("HTTP/1.")) &&
	       line[strlen("HTTP/1.1 ")] == '1';
}

/* Reads the head that begins at *at, and moves *at behind it. */
static bool read_head(const char *message, size_t len, size_t *at, bool *ret_interim)
{
	size_t line_len = http_line_len(message, len, *at);
	bool close = false, keep_alive = false;
	const char *line = message + *at;
	struct http_field field;
	enum version version;
	int r;

	if (line_len < 2)
		return false;
	version = version_of(line, line_len - 2);
	*ret_interim = is_interim(line, line_len);
	*at += line_len;
	while ((r = http_field_next(message, len, at, &field)) > 0) {
		if (!http_field_is(&field, "Connection"))
			continue;
		close |= http_field_has(&field, "close");
		keep_alive |= http_field_has(&field, "keep-alive");
	}
	if (r < 0 || close)
		return false;
	return version == VERSION_1_1 || (version == VERSION_1_0 && keep_alive);
}

bool http_stays_open(const char *message, size_t len)
{
	bool interim = false, open;
	size_t at = 0;

	do
		open = read_head(message, len, &at, &interim);
	while (interim && open);
	return open;
}

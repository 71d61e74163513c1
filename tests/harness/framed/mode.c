/* SPDX-License-Identifier: Apache-2.0 */
#include "mode.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
	[MODE_OK] = "ok",
	[MODE_STATUS] = "status",
	[MODE_FIN] = "fin",
	[MODE_RESET] = "reset",
	[MODE_RESET_EARLY] = "reset-early",
	[MODE_HANG] = "hang",
	[MODE_CUT] = "cut",
	[MODE_CUT_RESET] = "cut-reset",
	[MODE_ACCEPT_FIN] = "accept-fin",
	[MODE_ACCEPT_RESET] = "accept-reset",
	[MODE_REFUSE] = "refuse",
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mode current;

int mode_parse(const char *text, struct mode *ret_mode)
{
	struct mode mode = {.argument = 0};
	char name[32] = "", rest[32] = "";

	if (sscanf(text, "%31[a-z-]%31s", name, rest) < 1)
		return -EINVAL;
	char *first = strstr(rest, ",first");
	if (first) {
		mode.first_only = true;
		*first = '\0';
	}
	if (*rest && sscanf(rest, ":%zu", &mode.argument) != 1)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name))
			continue;
		mode.kind = (enum mode_kind)i;
		*ret_mode = mode;
		return 0;
	}
	return -EINVAL;
}

void mode_set(const struct mode *mode)
{
	pthread_mutex_lock(&lock);
	current = *mode;
	pthread_mutex_unlock(&lock);
}

struct mode mode_get(void)
{
	pthread_mutex_lock(&lock);
	struct mode mode = current;
	pthread_mutex_unlock(&lock);
	return mode;
}

const char *mode_name(enum mode_kind kind)
{
	return names[kind];
}

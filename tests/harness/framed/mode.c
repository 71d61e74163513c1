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

static int option_parse(const char *text, struct mode *ret)
{
	if (strcmp(text, "first") == 0)
		ret->first_only = true;
	else if (sscanf(text, "pause=%u", &ret->pause_ms) != 1)
		return -EINVAL;
	return 0;
}

static int kind_parse(const char *text, struct mode *ret)
{
	char name[32] = "";

	if (sscanf(text, "%31[a-z-]:%zu", name, &ret->argument) < 1)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name))
			continue;
		ret->kind = (enum mode_kind)i;
		return 0;
	}
	return -EINVAL;
}

int mode_parse(const char *text, struct mode *ret_mode)
{
	struct mode mode = {.argument = 0};
	char copy[64], *rest = copy, *word;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return -EINVAL;
	if (kind_parse(strsep(&rest, ","), &mode))
		return -EINVAL;
	while ((word = strsep(&rest, ","))) {
		if (option_parse(word, &mode))
			return -EINVAL;
	}
	*ret_mode = mode;
	return 0;
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

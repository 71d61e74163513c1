/* SPDX-License-Identifier: Apache-2.0 */
#include "health/kernel_health.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

static const char *const names[] = {
	[SW_HEALTH_FREE] = "free", [SW_HEALTH_UNKNOWN] = "unknown",
	[SW_HEALTH_UP] = "up",     [SW_HEALTH_SUSPECT] = "suspect",
	[SW_HEALTH_DOWN] = "down", [SW_HEALTH_REFUSED] = "refused",
};
_Static_assert(ARRAY_SIZE(names) == KERNEL_HEALTH_COUNT, "a name for every health");

enum sw_health kernel_health(enum health_state state, enum health_verdict verdict)
{
	switch (state) {
	case HEALTH_UNKNOWN:
		return SW_HEALTH_UNKNOWN;
	case HEALTH_UP:
		return SW_HEALTH_UP;
	case HEALTH_SUSPECT:
		return SW_HEALTH_SUSPECT;
	case HEALTH_DOWN:
	case HEALTH_RECOVERING:
		return verdict == VERDICT_REFUSED ? SW_HEALTH_REFUSED : SW_HEALTH_DOWN;
	case HEALTH_STATE_COUNT:
		break;
	}
	return SW_HEALTH_UNKNOWN;
}

enum health_state kernel_health_state(enum sw_health health)
{
	switch (health) {
	case SW_HEALTH_UP:
		return HEALTH_UP;
	case SW_HEALTH_SUSPECT:
		return HEALTH_SUSPECT;
	case SW_HEALTH_DOWN:
	case SW_HEALTH_REFUSED:
		return HEALTH_DOWN;
	case SW_HEALTH_FREE:
	case SW_HEALTH_UNKNOWN:
		break;
	}
	return HEALTH_UNKNOWN;
}

bool kernel_health_is_usable(enum sw_health health)
{
	return health == SW_HEALTH_UNKNOWN || health == SW_HEALTH_UP;
}

const char *kernel_health_to_str(enum sw_health health)
{
	return (size_t)health < ARRAY_SIZE(names) ? names[health] : "invalid";
}

int kernel_health_from_str(const char *text, enum sw_health *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum sw_health)i;
			return 0;
		}
	}
	return -EINVAL;
}

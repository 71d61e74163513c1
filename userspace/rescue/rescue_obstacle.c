/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/rescue_obstacle.h"

#include "base/cleanup.h"

enum sw_obstacle rescue_obstacle_of(enum http_request_verdict verdict)
{
	switch (verdict) {
	case HTTP_REQUEST_PIPELINED:
		return SW_OBSTACLE_PIPELINED;
	case HTTP_REQUEST_UPGRADE:
		return SW_OBSTACLE_UPGRADE;
	case HTTP_REQUEST_EXPECT:
		return SW_OBSTACLE_EXPECT;
	default:
		return SW_OBSTACLE_PROTOCOL;
	}
}

const char *rescue_obstacle_to_str(enum sw_obstacle obstacle)
{
	static const char *const names[] = {
		[SW_OBSTACLE_METHOD] = "method",
		[SW_OBSTACLE_LENGTH] = "too-long",
		[SW_OBSTACLE_PROTOCOL] = "not-http",
		[SW_OBSTACLE_UNKNOWN] = "not-known",
		[SW_OBSTACLE_PIPELINED] = "pipelined",
		[SW_OBSTACLE_UPGRADE] = "upgrade",
		[SW_OBSTACLE_EXPECT] = "expect",
		[SW_OBSTACLE_INCOMPLETE] = "incomplete",
		[SW_OBSTACLE_EXCHANGE] = "unfinished-exchange",
	};

	_Static_assert(ARRAY_SIZE(names) == SW_OBSTACLE_COUNT, "a name for each");
	return names[obstacle];
}

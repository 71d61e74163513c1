/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_history.h"

#include <stdio.h>
#include <string.h>

static bool is_more_of_it(const struct health_event *event, enum health_verdict verdict,
			  const char *detail)
{
	return event && event->verdict == verdict &&
	       !strncmp(event->detail, detail, sizeof(event->detail) - 1);
}

void health_history_add(struct health_history *history, enum health_verdict verdict,
			const char *detail, uint64_t now)
{
	struct health_event *event =
		&history->events[(history->added + HISTORY_LEN - 1) % HISTORY_LEN];

	if (!history->added || !is_more_of_it(event, verdict, detail)) {
		event = &history->events[history->added++ % HISTORY_LEN];
		*event = (struct health_event){.verdict = verdict};
		snprintf(event->detail, sizeof(event->detail), "%s", detail);
	}
	event->last = now;
	event->count++;
}

const struct health_event *health_history_get(const struct health_history *history, size_t age)
{
	if (!history || age >= HISTORY_LEN || age >= history->added)
		return NULL;
	return &history->events[(history->added - 1 - age) % HISTORY_LEN];
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_json.h"

#include "ctl/ctl_view.h"

#include <errno.h>

json_t *ctl_json_new(const struct ctl_view *view)
{
	return json_pack("{s:b, s:b, s:b}", "daemon", view->belief != NULL, "kernel",
			 view->snapshot != NULL, "stale",
			 view->snapshot && !view->snapshot->trusted);
}

json_t *ctl_json_seconds(double seconds)
{
	/* Microseconds are exact enough, and shorter. */
	return seconds < 0 ? json_null() : json_real((double)(long long)(seconds * 1e6) / 1e6);
}

static json_t *json_difference(const struct ctl_difference *difference)
{
	char text[CTL_DIFFERENCE_SIZE];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "kind",
			 ctl_difference_kind_to_str(difference->kind), "service",
			 difference->service, "subject", difference->subject, "in_kernel",
			 difference->kernel, "in_daemon", difference->daemon, "text",
			 ctl_difference_to_str(difference, text));
}

json_t *ctl_json_differences(const struct ctl_difference *first, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < count; i++) {
		if (json_array_append_new(array, json_difference(&first[i]))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

int ctl_json_print(json_t *root, FILE *out)
{
	int failed = !root || json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) ||
		     putc('\n', out) == EOF;

	json_decref(root);
	return failed ? -ENOMEM : 0;
}

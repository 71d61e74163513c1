/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_age.h"

#include <stdio.h>
#include <string.h>

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

const char *ctl_age_to_str(double seconds, char buf[static CTL_AGE_SIZE])
{
	long long whole = (long long)seconds;

	if (seconds < 0)
		snprintf(buf, CTL_AGE_SIZE, "-");
	else if (whole < 10)
		snprintf(buf, CTL_AGE_SIZE, "%lld.%llds", whole,
			 (long long)((seconds - (double)whole) * 10));
	else if (whole / MINUTE < 2)
		snprintf(buf, CTL_AGE_SIZE, "%llds", whole);
	else if (whole / MINUTE < 10)
		snprintf(buf, CTL_AGE_SIZE, "%lldm%llds", whole / MINUTE, whole % MINUTE);
	else if (whole / HOUR < 3)
		snprintf(buf, CTL_AGE_SIZE, "%lldm", whole / MINUTE);
	else if (whole / DAY < 2)
		snprintf(buf, CTL_AGE_SIZE, "%lldh", whole / HOUR);
	else
		snprintf(buf, CTL_AGE_SIZE, "%lldd", whole / DAY);
	return buf;
}

const char *ctl_age_ago(double seconds, char buf[static CTL_AGE_SIZE])
{
	if (seconds < 0) {
		snprintf(buf, CTL_AGE_SIZE, "never");
		return buf;
	}
	ctl_age_to_str(seconds, buf);
	snprintf(buf + strlen(buf), CTL_AGE_SIZE - strlen(buf), " ago");
	return buf;
}

const char *ctl_age_latency(double seconds, char buf[static CTL_AGE_SIZE])
{
	double ms = seconds * 1000;

	if (seconds < 0)
		snprintf(buf, CTL_AGE_SIZE, "-");
	else
		snprintf(buf, CTL_AGE_SIZE, ms < 10 ? "%.2fms" : "%.0fms", ms);
	return buf;
}

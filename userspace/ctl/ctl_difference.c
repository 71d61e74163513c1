/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "ctl/ctl_view.h"

#include <stdio.h>

static const char *const kind_names[] = {
	[DIFFERENCE_SERVICE_ONLY_IN_KERNEL] = "service_only_in_kernel",
	[DIFFERENCE_SERVICE_ONLY_IN_DAEMON] = "service_only_in_daemon",
	[DIFFERENCE_FRONTEND_ONLY_IN_KERNEL] = "frontend_only_in_kernel",
	[DIFFERENCE_FRONTEND_ONLY_IN_DAEMON] = "frontend_only_in_daemon",
	[DIFFERENCE_BACKEND_ONLY_IN_KERNEL] = "backend_only_in_kernel",
	[DIFFERENCE_BACKEND_ONLY_IN_DAEMON] = "backend_only_in_daemon",
	[DIFFERENCE_ENDPOINTS] = "endpoints",
	[DIFFERENCE_HEALTH] = "health",
	[DIFFERENCE_SLOTS] = "slots",
};
_Static_assert(ARRAY_SIZE(kind_names) == DIFFERENCE_KIND_COUNT, "a name for every kind");

const char *ctl_difference_kind_to_str(enum ctl_difference_kind kind)
{
	return kind_names[kind];
}

static void write_only(char *buf, const struct ctl_difference *difference, const char *what,
		       const char *side)
{
	if (*difference->subject)
		snprintf(buf, CTL_DIFFERENCE_SIZE, "%s %s of \"%s\" is only in the %s", what,
			 difference->subject, difference->service, side);
	else
		snprintf(buf, CTL_DIFFERENCE_SIZE, "%s \"%s\" is only in the %s", what,
			 difference->service, side);
}

const char *ctl_difference_to_str(const struct ctl_difference *difference,
				  char buf[static CTL_DIFFERENCE_SIZE])
{
	switch (difference->kind) {
	case DIFFERENCE_SERVICE_ONLY_IN_KERNEL:
		write_only(buf, difference, "service", "kernel");
		break;
	case DIFFERENCE_SERVICE_ONLY_IN_DAEMON:
		write_only(buf, difference, "service", "daemon");
		break;
	case DIFFERENCE_FRONTEND_ONLY_IN_KERNEL:
		write_only(buf, difference, "frontend", "kernel");
		break;
	case DIFFERENCE_FRONTEND_ONLY_IN_DAEMON:
		write_only(buf, difference, "frontend", "daemon");
		break;
	case DIFFERENCE_BACKEND_ONLY_IN_KERNEL:
		write_only(buf, difference, "backend", "kernel");
		break;
	case DIFFERENCE_BACKEND_ONLY_IN_DAEMON:
		write_only(buf, difference, "backend", "daemon");
		break;
	case DIFFERENCE_ENDPOINTS:
		snprintf(buf, CTL_DIFFERENCE_SIZE,
			 "endpoints of \"%s\" (usable/ready/terminating): kernel %s, daemon %s",
			 difference->service, difference->kernel, difference->daemon);
		break;
	case DIFFERENCE_HEALTH:
		snprintf(buf, CTL_DIFFERENCE_SIZE,
			 "health of backend %s of \"%s\": kernel %s, daemon %s",
			 difference->subject, difference->service, difference->kernel,
			 difference->daemon);
		break;
	case DIFFERENCE_SLOTS:
		snprintf(buf, CTL_DIFFERENCE_SIZE, "maps of \"%s\": %s", difference->service,
			 difference->kernel);
		break;
	case DIFFERENCE_KIND_COUNT:
		break;
	}
	return buf;
}

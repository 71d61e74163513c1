/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rescue_services.h"

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/plan.h"
#include "rescue/rescue.h"
#include "rescue/rescue_report.h"
#include "status/status_view.h"

#include <netinet/in.h>

void rescue_services_note(struct rescue *rescue, const char *service, const struct plan *plan)
{
	struct dp_problem problem = {};
	uint64_t request_timeout = 0;
	bool wanted = false;

	vec_foreach(&plan->ports, port) {
		if (port->proto != IPPROTO_TCP || !port->retry.on)
			continue;
		wanted = true;
		if (port->retry.on & RETRY_TIMEOUT)
			request_timeout = port->retry.request_timeout;
	}
	if (rescue_set_service(rescue, service, wanted, request_timeout, clock_now(), &problem))
		log_warn("\"%s\" wants failed requests to be replayed, but clients see them: %s",
			 service, problem.text);
}

static void write_metrics(void *rescue, FILE *out)
{
	struct rescue_view view;

	rescue_view(rescue, &view);
	rescue_report_metrics(out, &view);
}

static void write_json(void *rescue, FILE *out)
{
	struct rescue_view view;

	rescue_view(rescue, &view);
	rescue_report_json(out, &view, clock_now());
}

int rescue_services_open(const struct agent_config *config, struct status_context *status,
			 struct rescue **ret)
{
	struct rescue_worker_config rescue = {.cgroup = config->cgroup,
					      .pin_dir = config->pin_dir,
					      .mark_attempts = !config->no_attempt_header};
	int err = rescue_new(&rescue, ret);

	if (err)
		return err;
	status->rescue_metrics = write_metrics;
	status->rescue_json = write_json;
	status->rescue = *ret;
	return 0;
}

static bool is_down(enum sw_health health)
{
	return health == SW_HEALTH_DOWN || health == SW_HEALTH_REFUSED;
}

void rescue_services_health(struct rescue *rescue, uint32_t backend, enum sw_health before,
			    enum sw_health after)
{
	if (!is_down(before) && is_down(after))
		rescue_backend_down(rescue, backend);
}

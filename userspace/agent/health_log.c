/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/health_log.h"

#include "agent/backend_index.h"
#include "base/log.h"
#include "health/health.h"
#include "health/kernel_health.h"

void health_log_change(const struct backend_info *info, const struct health_change *change,
		       enum sw_health health)
{
	char where[ADDR_PORT_STR_SIZE];
	enum log_level level = LOG_DEBUG;

	addr_port_to_str(&info->addr, info->port, where);
	if (change->from != change->to &&
	    (change->to == HEALTH_DOWN || (change->from == HEALTH_RECOVERING)))
		level = kernel_health_is_usable(health) ? LOG_INFO : LOG_WARN;
	if (change->from == HEALTH_RECOVERING && change->to == HEALTH_DOWN)
		level = LOG_DEBUG;
	log_line(level, "backend %s (%s) of \"%s\" is %s, was %s: %s", where,
		 *info->target ? info->target : "no pod named", info->service,
		 health_state_to_str(change->to), health_state_to_str(change->from),
		 change->detail);
}

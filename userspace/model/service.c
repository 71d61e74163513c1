/* SPDX-License-Identifier: Apache-2.0 */
#include "model/service.h"

#include <stdlib.h>

void service_free(struct service *service)
{
	if (!service)
		return;
	vec_foreach(&service->ports, port)
		free(port->name);
	vec_done(&service->ports);
	vec_done(&service->cluster_ips);
	vec_done(&service->external_ips);
	vec_done(&service->balancer_ips);
	vec_done(&service->source_ranges);
	free(service->namespace);
	free(service->name);
	free(service->uid);
	free(service);
}

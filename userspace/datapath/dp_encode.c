/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_encode.h"

#include "model/plan.h"

struct sw_policy dp_encode_policy(const struct plan_port *port)
{
	return (struct sw_policy){.affinity_timeout = port->affinity_timeout};
}

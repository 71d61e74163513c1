/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_encode.h"

#include "model/plan.h"

#include <netinet/in.h>

static const enum sw_balance balances[BALANCE_COUNT] = {
	[BALANCE_RANDOM] = SW_BALANCE_RANDOM,
	[BALANCE_ROUND_ROBIN] = SW_BALANCE_ROUND_ROBIN,
	[BALANCE_LEAST_CONN] = SW_BALANCE_LEAST_CONN,
};

struct sw_policy dp_encode_policy(const struct plan_port *port)
{
	/* Responses are those of HTTP over TCP. */
	bool tcp = port->proto == IPPROTO_TCP;

	return (struct sw_policy){
		.affinity_timeout = port->affinity_timeout,
		.balance = balances[port->steer.balance],
		.outlier_5xx = tcp ? port->steer.outlier_5xx : 0,
		.connect_timeout = port->steer.connect_timeout,
		.user_timeout = port->steer.user_timeout,
	};
}

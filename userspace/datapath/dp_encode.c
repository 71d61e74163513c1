/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_encode.h"

#include "base/cleanup.h"
#include "base/duration.h"
#include "swerve_rescue.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)PLAN_AT_ADDRESS == (int)SW_SCOPE_ADDRESS &&
		       (int)PLAN_AT_THIS_NODE == (int)SW_SCOPE_THIS_NODE &&
		       (int)PLAN_AT_OTHER_NODES == (int)SW_SCOPE_OTHER_NODES,
	       "the same numbers, so that nothing has to translate them");

struct sw_frontend_key dp_encode_frontend_key(const struct plan_frontend *frontend, uint8_t proto)
{
	return (struct sw_frontend_key){.addr = dp_sw_addr(&frontend->addr),
					.port = frontend->port,
					.proto = proto,
					.scope = (__u8)frontend->scope};
}

struct plan_frontend dp_decode_frontend_key(const struct sw_frontend_key *key)
{
	return (struct plan_frontend){.scope = (enum plan_scope)key->scope,
				      .addr = dp_addr(&key->addr),
				      .port = key->port};
}

bool dp_frontend_key_is_any(const struct sw_frontend_key *key)
{
	static const uint8_t any_v4[16] = {[10] = 255, [11] = 255}, any_v6[16];

	return !memcmp(key->addr.bytes, any_v4, 16) || !memcmp(key->addr.bytes, any_v6, 16);
}

const char *dp_frontend_key_to_str(const struct sw_frontend_key *key,
				   char buf[static ADDR_PORT_STR_SIZE])
{
	static const char *const nodes[] = {
		[SW_SCOPE_THIS_NODE] = "this-node", [SW_SCOPE_OTHER_NODES] = "other-nodes"};
	struct addr addr = dp_addr(&key->addr);

	if (!dp_frontend_key_is_any(key) || key->scope == SW_SCOPE_ADDRESS ||
	    key->scope >= ARRAY_SIZE(nodes))
		return addr_port_to_str(&addr, key->port, buf);
	snprintf(buf, ADDR_PORT_STR_SIZE, "%s:%u", nodes[key->scope], key->port);
	return buf;
}

uint32_t dp_encode_clients(enum plan_clients clients)
{
	static const uint32_t flags[] = {
		[PLAN_FOR_ALL] = 0,
		[PLAN_FOR_RANGES] = SW_FRONTEND_RANGES,
		[PLAN_FOR_RANGES_AND_NODE] = SW_FRONTEND_RANGES | SW_FRONTEND_NODE,
	};

	return flags[clients];
}

struct sw_frontend dp_encode_frontend(const struct sw_frontend_key *key, uint32_t service,
				      const struct dp_list *list, uint32_t flags)
{
	struct sw_frontend value = {.service = service,
				    .slot_base = list->slots.base,
				    .usable = list->usable,
				    .ready = list->ready,
				    .terminating = (uint32_t)list->backends.len - list->ready,
				    .flags = flags};

	value.check = sw_frontend_check(key, &value);
	return value;
}

struct sw_backend dp_encode_backend(const struct dp_backend *backend, uint8_t proto,
				    uint32_t service)
{
	return (struct sw_backend){.addr = dp_sw_addr(&backend->addr),
				   .port = backend->port,
				   .proto = proto,
				   .service = service,
				   .health = SW_HEALTH_UNKNOWN};
}

_Static_assert((int)RETRY_5XX == SW_FAILURE_STATUS && (int)RETRY_RESET == SW_FAILURE_RESET &&
		       (int)RETRY_REFUSED == SW_FAILURE_REFUSED &&
		       (int)RETRY_TIMEOUT == SW_FAILURE_TIMEOUT,
	       "the same bits on both sides");
_Static_assert((int)RETRY_GET == SW_METHOD_GET && (int)RETRY_HEAD == SW_METHOD_HEAD &&
		       (int)RETRY_OPTIONS == SW_METHOD_OPTIONS && (int)RETRY_PUT == SW_METHOD_PUT &&
		       (int)RETRY_DELETE == SW_METHOD_DELETE,
	       "the same bits on both sides");

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
		.retry_on = tcp ? port->retry.on : 0,
		.retry_methods = port->retry.methods,
		.retry_timeout = (uint32_t)(port->retry.timeout / NSEC_PER_MSEC),
		.retry_budget = port->retry.budget,
		.request_timeout = (uint32_t)(port->retry.request_timeout / NSEC_PER_MSEC),
	};
}

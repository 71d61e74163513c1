/* SPDX-License-Identifier: Apache-2.0 */
/* What the model says, in the words of the maps. Pure. */
#pragma once

#include "datapath/dp_table.h"
#include "model/plan.h"
#include "swerve_abi.h"

struct sw_frontend_key dp_encode_frontend_key(const struct plan_frontend *frontend, uint8_t proto);

/* The other way round, but for the list. */
struct plan_frontend dp_decode_frontend_key(const struct sw_frontend_key *key);

/* Whether its address is 0.0.0.0 or ::, which stands for all addresses of a kind of node. */
bool dp_frontend_key_is_any(const struct sw_frontend_key *key);

/*
 * What the key stands for, as text: "10.96.0.1:80"; "this-node:30080" and "other-nodes:30080" for
 * NodePorts. Returns buf.
 */
const char *dp_frontend_key_to_str(const struct sw_frontend_key *key,
				   char buf[static ADDR_PORT_STR_SIZE]);

/* As enum sw_frontend_flags. */
uint32_t dp_encode_clients(enum plan_clients clients);

/* The value for the key of a frontend that leads to the list; flags are enum sw_frontend_flags. */
struct sw_frontend dp_encode_frontend(const struct sw_frontend_key *key, uint32_t service,
				      const struct dp_list *list, uint32_t flags);

struct sw_backend dp_encode_backend(const struct dp_backend *backend, uint8_t proto,
				    uint32_t service);

struct sw_policy dp_encode_policy(const struct plan_port *port);

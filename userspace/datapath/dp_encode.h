/* SPDX-License-Identifier: Apache-2.0 */
/* What the model says, in the words of the maps. Pure. */
#pragma once

#include "swerve_abi.h"

struct plan_port;

struct sw_policy dp_encode_policy(const struct plan_port *port);

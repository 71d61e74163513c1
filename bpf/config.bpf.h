/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What userspace knows when it loads the programs. The verifier sees constants and removes the
 * branches that can not be taken, so a helper that a kernel lacks is no obstacle to loading.
 */
#pragma once

#include "swerve_abi.h"

const volatile struct sw_load_config load_config = {};

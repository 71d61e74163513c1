/* SPDX-License-Identifier: Apache-2.0 */
/* What was seen of a backend in its connections, for people. Pure. */
#pragma once

#include "swerve_abi.h"

enum { DP_EVIDENCE_SIZE = 64 };

/* "HTTP 500", "connection refused", …; returns ret. `status` is the HTTP status, 0: none. */
const char *dp_evidence_to_str(enum sw_evidence evidence, __u32 status, char ret[DP_EVIDENCE_SIZE]);

/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_evidence.h"

#include "base/cleanup.h"

#include <stdio.h>

static const char *const texts[] = {
	[SW_EVIDENCE_NONE] = "nothing",
	[SW_EVIDENCE_REFUSED] = "connection refused",
	[SW_EVIDENCE_UNREACHABLE] = "unreachable",
	[SW_EVIDENCE_TIMEOUT] = "connection timed out",
	[SW_EVIDENCE_CLOSED] = "closed instead of answered",
	[SW_EVIDENCE_STATUS] = "HTTP error",
	[SW_EVIDENCE_RATE] = "half of the responses failed",
	[SW_EVIDENCE_SILENT] = "data is not acknowledged",
	[SW_EVIDENCE_NO_PORT] = "port unreachable",
};

const char *dp_evidence_to_str(enum sw_evidence evidence, __u32 status, char ret[DP_EVIDENCE_SIZE])
{
	const char *text = (size_t)evidence < ARRAY_SIZE(texts) ? texts[evidence] : "unknown";

	if (evidence == SW_EVIDENCE_STATUS)
		snprintf(ret, DP_EVIDENCE_SIZE, "HTTP %u", status);
	else if (status)
		snprintf(ret, DP_EVIDENCE_SIZE, "%s, HTTP %u", text, status);
	else
		snprintf(ret, DP_EVIDENCE_SIZE, "%s", text);
	return ret;
}

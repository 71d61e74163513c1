/* SPDX-License-Identifier: Apache-2.0 */
#include "conns/close_pace.h"

enum { SHARE = 5 };

#define CREDIT (50 * NSEC_PER_MSEC * SHARE)

uint64_t close_pace_next(struct close_pace *pace, uint64_t began, uint64_t ended)
{
	uint64_t earliest = ended + CLOSE_PACE_PAUSE;

	if (pace->used_up < began)
		pace->used_up = began;
	pace->used_up += SHARE * (ended - began);
	return pace->used_up > earliest + CREDIT ? pace->used_up - CREDIT : earliest;
}

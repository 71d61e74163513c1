/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/client_patience.h"

#include "base/duration.h"

#define SILENCE_LIMIT  (5 * NSEC_PER_SEC)
#define STANDING_LIMIT (300 * NSEC_PER_SEC)

struct client_patience client_patience_from(uint64_t now)
{
	return (struct client_patience){.heard = now, .moved = now};
}

bool client_patience_ends(const struct client_patience *patience, uint64_t now)
{
	return now > patience->heard + SILENCE_LIMIT || now > patience->moved + STANDING_LIMIT;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_outlook.h"

#include "base/duration.h"

#include <stdio.h>

enum { PART_SIZE = 80 };

/* Nobody needs more than two digits or so. */
static const char *rounded(uint64_t ns, char text[static DURATION_STR_SIZE])
{
	uint64_t unit = ns < NSEC_PER_SEC ? NSEC_PER_MSEC : 100 * NSEC_PER_MSEC;

	return duration_to_str((ns + unit / 2) / unit * unit, text);
}

static void write_doubt(const struct health_outlook *outlook, char part[static PART_SIZE])
{
	if (outlook->held != GUARD_FALL)
		snprintf(part, PART_SIZE, "silent, kept: %s; ",
			 guard_verdict_to_str(outlook->held));
	else if (outlook->fsm.last == VERDICT_AMBIGUOUS)
		snprintf(part, PART_SIZE, "%u of %u time-outs; ", outlook->fsm.failures,
			 outlook->limits.fall);
	else
		snprintf(part, PART_SIZE, "to be confirmed; ");
}

static void write_way_back(const struct health_outlook *outlook, uint64_t now,
			   char part[static PART_SIZE])
{
	char text[DURATION_STR_SIZE];

	if (outlook->unsure_until > now)
		snprintf(part, PART_SIZE, "down before, its own probe is asked for; ");
	else if (outlook->held_until > now)
		snprintf(part, PART_SIZE, "flapping, held down for %s; ",
			 rounded(outlook->held_until - now, text));
	else
		snprintf(part, PART_SIZE, "%u of %u successes; ", outlook->fsm.successes,
			 outlook->limits.rise);
}

const char *health_outlook_to_str(const struct health_outlook *outlook, uint64_t now,
				  char buf[static OUTLOOK_SIZE])
{
	char part[PART_SIZE] = "", text[DURATION_STR_SIZE];

	if (!outlook->probed) {
		snprintf(buf, OUTLOOK_SIZE, "not probed");
		return buf;
	}
	if (outlook->fsm.state == HEALTH_SUSPECT)
		write_doubt(outlook, part);
	else if (outlook->fsm.state == HEALTH_DOWN || outlook->fsm.state == HEALTH_RECOVERING)
		write_way_back(outlook, now, part);
	if (outlook->due > now)
		snprintf(buf, OUTLOOK_SIZE, "%sthe next probe in %s", part,
			 rounded(outlook->due - now, text));
	else
		snprintf(buf, OUTLOOK_SIZE, "%sa probe is due or under way", part);
	return buf;
}

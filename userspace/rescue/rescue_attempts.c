/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/rescue_attempts.h"

#include "datapath/dp_rescue.h"
#include "loop/loop.h"
#include "rescue/rescue_env.h"

#include <errno.h>

/* The one that failed, and the first replay. */
enum { PAID = 2 };

struct rescue_attempts rescue_attempts_after(const struct sw_rescue *record)
{
	return (struct rescue_attempts){.tried = {record->backend}, .count = 1};
}

int rescue_attempts_next(struct rescue_attempts *attempts, struct rescue_env *env,
			 const struct sw_rescue *record, struct sw_backend *ret)
{
	struct dp_rescue_choice choice = {.addr = record->frontend_addr,
					  .port = record->frontend_port,
					  .service = record->service,
					  .tried = attempts->tried,
					  .tried_count = attempts->count,
					  .random = (uint32_t)(record->cookie * 2654435761U)};
	uint32_t index;

	if (attempts->count == RESCUE_ATTEMPTS_MAX ||
	    dp_rescue_pick(env->datapath, &choice, loop_now(env->loop), &index, ret))
		return -ENOENT;
	if (attempts->count >= PAID && !rescue_env_replay_again(env, record->service))
		return -EDQUOT;
	attempts->tried[attempts->count++] = index;
	return 0;
}

enum rescue_outcome rescue_attempts_outcome(int err)
{
	switch (err) {
	case -ETIME:
		return RESCUE_TOO_LATE;
	case -EDQUOT:
		return RESCUE_NO_BUDGET;
	default:
		return RESCUE_NO_BACKEND;
	}
}

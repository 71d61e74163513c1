/* SPDX-License-Identifier: Apache-2.0 */
/* The list that a plan has for a Service without policies and hints. Included after cmocka. */
#pragma once

#include "model/plan_lists.h"

/* Of `len` endpoints, the first `ready` of which are ready. The caller frees it. */
static inline struct plan_list plan_list_all(size_t len, size_t ready)
{
	struct plan_list list = {.preferred = ready, .ready = ready};

	for (size_t i = 0; i < len; i++)
		assert_int_equal(vec_push(&list.members, (uint32_t)i), 0);
	return list;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From an embedded source of the loop back to the struct around it. */
#pragma once

#include <stddef.h>

#define container_of(p, type, member)                               \
	({                                                          \
		__typeof__(((type *)0)->member) *member_ = (p);     \
		(type *)((char *)member_ - offsetof(type, member)); \
	})

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long ago something was that any CPU may have noted. Pure. */
#pragma once

#include <linux/types.h>

#include <stdbool.h>

/*
 * Whether `then` was at least `age` before `at`. By the sign: between reading the clock and looking at
 * what is noted, another CPU may have noted a later time, which is no time at all ago.
 */
static __always_inline bool is_past(__u64 at, __u64 then, __u64 age)
{
	return (__s64)(at - then) >= (__s64)age;
}

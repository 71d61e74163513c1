/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that asks for the time. Everything else gets `now` as an argument. */
#pragma once

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC: what bpf_ktime_get_ns() returns, too. */
uint64_t clock_now(void);

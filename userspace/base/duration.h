/* SPDX-License-Identifier: Apache-2.0 */
/* Durations as Go's time.ParseDuration() reads them: "100ms", "1.5s", "1m30s". */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC  1000000000ULL

/*
 * Parses a sequence of decimal numbers with units ns, us, µs, ms, s, m, h. "0" needs no unit; no
 * sign. Returns 0, -EINVAL for what Go would not parse, -ERANGE beyond 2^63 ns; on failure *ret_ns
 * is untouched.
 */
int duration_from_str(const char *text, uint64_t *ret_ns);

enum { DURATION_STR_SIZE = 32 };

/* Writes the shortest exact form with one unit ("100ms", "1.5s"). Returns buf. */
const char *duration_to_str(uint64_t ns, char buf[static DURATION_STR_SIZE]);

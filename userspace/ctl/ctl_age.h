/* SPDX-License-Identifier: Apache-2.0 */
/* Times for people: short before exact. */
#pragma once

enum { CTL_AGE_SIZE = 24 };

/* "0.3s", "42s", "3m5s", "17m", "5h", "12d"; "-" if negative: not known. Returns buf. */
const char *ctl_age_to_str(double seconds, char buf[static CTL_AGE_SIZE]);

/* The same with "ago", and "never" if negative. Returns buf. */
const char *ctl_age_ago(double seconds, char buf[static CTL_AGE_SIZE]);

/* "0.35ms", "12ms"; "-" if negative. Returns buf. */
const char *ctl_age_latency(double seconds, char buf[static CTL_AGE_SIZE]);

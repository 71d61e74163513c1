/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership that can be checked by reading one function: owning locals carry a cleanup attribute,
 * and ownership leaves only through TAKE_PTR() or TAKE_FD().
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_free_  _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)

/* Gives the pointer away: evaluates to its value and leaves NULL behind. */
#define TAKE_PTR(p)                            \
	({                                     \
		__typeof__(p) *take_ = &(p);   \
		__typeof__(p) taken_ = *take_; \
		*take_ = NULL;                 \
		taken_;                        \
	})

/* Gives the descriptor away: evaluates to its value and leaves -1 behind. */
#define TAKE_FD(fd)                  \
	({                           \
		int *take_ = &(fd);  \
		int taken_ = *take_; \
		*take_ = -1;         \
		taken_;              \
	})

/* Gives a value away that owns something: evaluates to it and leaves an empty one behind. */
#define TAKE_VALUE(v)                          \
	({                                     \
		__typeof__(v) *take_ = &(v);   \
		__typeof__(v) taken_ = *take_; \
		*take_ = (__typeof__(v)){};    \
		taken_;                        \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

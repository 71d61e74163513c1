/* SPDX-License-Identifier: Apache-2.0 */
/* How a pod of `framed` fails at the moment. One thread sets it, all may read it. */
#ifndef TESTS_FRAMED_MODE_H
#define TESTS_FRAMED_MODE_H

#include <stdbool.h>
#include <stddef.h>

enum mode_kind {
	MODE_OK,
	MODE_STATUS,       /* answer with the status `argument` */
	MODE_FIN,          /* FIN once the request is whole */
	MODE_RESET,        /* RST once the request is whole */
	MODE_RESET_EARLY,  /* RST once `argument` bytes of the request are there */
	MODE_HANG,         /* never answer */
	MODE_CUT,          /* FIN after `argument` bytes of the response */
	MODE_CUT_RESET,    /* RST after `argument` bytes of the response */
	MODE_ACCEPT_FIN,   /* FIN as soon as a connection is there */
	MODE_ACCEPT_RESET, /* RST as soon as a connection is there */
	MODE_REFUSE,       /* do not listen */
};

struct mode {
	enum mode_kind kind;
	size_t argument;
	bool first_only;       /* fails only a request without the header Swerve-Attempt */
	unsigned int pause_ms; /* between a whole request and its failure */
};

/* Parses "NAME[:ARGUMENT][,first][,pause=MS]", for example "status:500,first". 0 or -EINVAL. */
int mode_parse(const char *text, struct mode *ret_mode);

void mode_set(const struct mode *mode);
struct mode mode_get(void);

const char *mode_name(enum mode_kind kind);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Context of the program that runs the choice without a socket. */
#pragma once

#include "swerve_abi.h"

struct choose_probe {
	struct sw_frontend_key key; /* in */
	__u32 rank;                 /* out: enum rank */
	__u32 backend;              /* out */
	__u32 service;              /* out */
	struct sw_addr addr;        /* out */
	__u16 port;                 /* out */
	__u16 pad;
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange on a connection before a request, or before the connection's end. Only when it was over
 * is what followed a request, and not a part of the body of the one before, and another backend's
 * response to it the next that the client reads, and not a part of the response before. Pure.
 */
#pragma once

#include "swerve_rescue.h"

#include <stdbool.h>

/*
 * REQUEST: whether the request and the response before it were whole when it was sent, by the record with all
 * of its parts. True if there was none before.
 */
bool last_exchange_is_over(const struct sw_rescue *record);

/* IDLE: whether the response to the request was whole, and both leave the connection open. */
bool last_exchange_leaves_open(const struct sw_rescue *record);

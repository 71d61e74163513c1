/* SPDX-License-Identifier: Apache-2.0 */
/* The version of this build, from -DSWERVE_VERSION='"…"'. */
#pragma once

#ifndef SWERVE_VERSION
#define SWERVE_VERSION "unknown"
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The version of this source tree. */
#pragma once

#define SWERVE_VERSION "0.1.0"

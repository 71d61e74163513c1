/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4). Pure. */
#pragma once

/*
 * Decodes text; white space in it is left out. *ret is a string that the caller frees. Returns 0,
 * -EINVAL if it is no base64, or if there is a NUL in what comes out, -ENOMEM.
 */
int base64_decode(const char *text, char **ret);

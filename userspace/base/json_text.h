/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of JSON that printf() can not write. */
#pragma once

#include <stdint.h>
#include <stdio.h>

/* Writes a string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void json_text_string(FILE *out, const char *text);

/* Writes nanoseconds as seconds: "1.500000". */
void json_text_seconds(FILE *out, uint64_t ns);

/* Writes how long ago `then` was, in seconds; null if `then` is 0, and 0 if it is yet to come. */
void json_text_ago(FILE *out, uint64_t now, uint64_t then);

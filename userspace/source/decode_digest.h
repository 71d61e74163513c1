/* SPDX-License-Identifier: Apache-2.0 */
/* A number that two JSON values share if they are equal, and (almost) only then. */
#pragma once

#include <jansson.h>
#include <stdint.h>

/* Does not depend on the order of the members of an object. Allocates nothing. */
uint64_t decode_digest(json_t *value);

/* The same for an object of Kubernetes, without its members kind and apiVersion. */
uint64_t decode_digest_object(json_t *object);

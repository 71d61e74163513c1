/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of grpc.health.v1.Health/Check as bytes, with gRPC's prefix of five in front:
 *   HealthCheckRequest { string service = 1; }  HealthCheckResponse { ServingStatus status = 1; }
 * Pure.
 */
#pragma once

#include "health/health_fsm.h"

#include <stddef.h>
#include <stdint.h>

enum { GRPC_HEALTH_SERVICE_MAX = 120, GRPC_HEALTH_SIZE = 5 + 2 + GRPC_HEALTH_SERVICE_MAX };

/* Writes the request and returns its size. `service` has at most GRPC_HEALTH_SERVICE_MAX bytes. */
size_t grpc_health_request(const char *service, uint8_t ret[static GRPC_HEALTH_SIZE]);

enum grpc_serving {
	GRPC_SERVING_INVALID = -1, /* no such message */
	GRPC_SERVING_UNKNOWN = 0,
	GRPC_SERVING = 1,
	GRPC_NOT_SERVING = 2,
	GRPC_SERVICE_UNKNOWN = 3,
};

/* Reads the response. Fields that it does not know are skipped. */
enum grpc_serving grpc_health_response(const uint8_t *data, size_t size);

/* "SERVING", …, "no health message". */
const char *grpc_serving_to_str(enum grpc_serving serving);

/* The name of a status code of gRPC, "UNIMPLEMENTED"; NULL for numbers that are none. */
const char *grpc_status_to_str(int status);

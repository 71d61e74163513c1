/* SPDX-License-Identifier: Apache-2.0 */
#include "health/grpc_health.h"

#include "base/cleanup.h"

#include <assert.h>
#include <string.h>

enum { PREFIX = 5, WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

size_t grpc_health_request(const char *service, uint8_t ret[static GRPC_HEALTH_SIZE])
{
	size_t len = strlen(service), size = len ? len + 2 : 0;

	assert(len <= GRPC_HEALTH_SERVICE_MAX);
	memset(ret, 0, PREFIX); /* not compressed */
	ret[4] = (uint8_t)size;
	if (!size)
		return PREFIX;
	ret[5] = 1 << 3 | WIRE_BYTES;
	ret[6] = (uint8_t)len;
	for (size_t i = 0; i < len; i++)
		ret[7 + i] = (uint8_t)service[i];
	return PREFIX + size;
}

/* What is left to be read; once anything does not fit, nothing is left and `bad` is set. */
struct reader {
	const uint8_t *data;
	size_t size;
	bool bad;
};

static uint64_t read_varint(struct reader *reader)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; reader->size && shift < 64; shift += 7) {
		uint8_t byte = *reader->data++;

		reader->size--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	reader->bad = true;
	return 0;
}

static void skip(struct reader *reader, uint64_t size)
{
	if (size > reader->size) {
		reader->bad = true;
		return;
	}
	reader->data += size;
	reader->size -= size;
}

static void skip_field(struct reader *reader, unsigned int wire)
{
	switch (wire) {
	case WIRE_VARINT:
		read_varint(reader);
		return;
	case WIRE_64:
		skip(reader, 8);
		return;
	case WIRE_BYTES:
		skip(reader, read_varint(reader));
		return;
	case WIRE_32:
		skip(reader, 4);
		return;
	default:
		reader->bad = true;
	}
}

static enum grpc_serving read_status(struct reader *reader)
{
	uint64_t status = GRPC_SERVING_UNKNOWN; /* what an empty message says */

	while (reader->size && !reader->bad) {
		uint64_t tag = read_varint(reader);

		if (tag == (1 << 3 | WIRE_VARINT))
			status = read_varint(reader);
		else
			skip_field(reader, tag & 7);
	}
	if (reader->bad)
		return GRPC_SERVING_INVALID;
	return status <= GRPC_SERVICE_UNKNOWN ? (enum grpc_serving)status : GRPC_SERVING_UNKNOWN;
}

enum grpc_serving grpc_health_response(const uint8_t *data, size_t size)
{
	struct reader reader = {.data = data + PREFIX, .size = size - PREFIX};
	size_t announced;

	if (size < PREFIX || data[0])
		return GRPC_SERVING_INVALID;
	announced = (size_t)data[1] << 24 | (size_t)data[2] << 16 | (size_t)data[3] << 8 | data[4];
	if (announced != size - PREFIX)
		return GRPC_SERVING_INVALID;
	return read_status(&reader);
}

const char *grpc_serving_to_str(enum grpc_serving serving)
{
	switch (serving) {
	case GRPC_SERVING_INVALID:
		break;
	case GRPC_SERVING_UNKNOWN:
		return "UNKNOWN";
	case GRPC_SERVING:
		return "SERVING";
	case GRPC_NOT_SERVING:
		return "NOT_SERVING";
	case GRPC_SERVICE_UNKNOWN:
		return "SERVICE_UNKNOWN";
	}
	return "no health message";
}

const char *grpc_status_to_str(int status)
{
	static const char *const names[] = {
		"OK",
		"CANCELLED",
		"UNKNOWN",
		"INVALID_ARGUMENT",
		"DEADLINE_EXCEEDED",
		"NOT_FOUND",
		"ALREADY_EXISTS",
		"PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED",
		"FAILED_PRECONDITION",
		"ABORTED",
		"OUT_OF_RANGE",
		"UNIMPLEMENTED",
		"INTERNAL",
		"UNAVAILABLE",
		"DATA_LOSS",
		"UNAUTHENTICATED",
	};

	return status >= 0 && (size_t)status < ARRAY_SIZE(names) ? names[status] : NULL;
}

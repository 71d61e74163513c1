/* SPDX-License-Identifier: Apache-2.0 */
#include "health/grpc_health.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_request(void **arg)
{
	static const uint8_t empty[] = {0, 0, 0, 0, 0};
	static const uint8_t named[] = {0, 0, 0, 0, 6, 0x0a, 4, 's', 'i', 'c', 'k'};
	char longest[GRPC_HEALTH_SERVICE_MAX + 1] = {};
	uint8_t out[GRPC_HEALTH_SIZE];

	(void)arg;
	assert_int_equal(grpc_health_request("", out), sizeof(empty));
	assert_memory_equal(out, empty, sizeof(empty));
	assert_int_equal(grpc_health_request("sick", out), sizeof(named));
	assert_memory_equal(out, named, sizeof(named));
	memset(longest, 'a', GRPC_HEALTH_SERVICE_MAX);
	assert_int_equal(grpc_health_request(longest, out), GRPC_HEALTH_SIZE);
	assert_int_equal(out[4], GRPC_HEALTH_SERVICE_MAX + 2);
	assert_int_equal(out[6], GRPC_HEALTH_SERVICE_MAX);
}

struct row {
	const char *name;
	const char *data;
	size_t size;
	enum grpc_serving want;
};

#define ROW(name, data, want)                      \
	{                                          \
		name, data, sizeof(data) - 1, want \
	}

static const struct row rows[] = {
	ROW("nothing", "", GRPC_SERVING_INVALID),
	ROW("half a prefix", "\0\0\0\0", GRPC_SERVING_INVALID),
	ROW("an empty message", "\0\0\0\0\0", GRPC_SERVING_UNKNOWN),
	ROW("unknown", "\0\0\0\0\2\x08\0", GRPC_SERVING_UNKNOWN),
	ROW("serving", "\0\0\0\0\2\x08\1", GRPC_SERVING),
	ROW("not serving", "\0\0\0\0\2\x08\2", GRPC_NOT_SERVING),
	ROW("service unknown", "\0\0\0\0\2\x08\3", GRPC_SERVICE_UNKNOWN),
	ROW("a later value", "\0\0\0\0\2\x08\4", GRPC_SERVING_UNKNOWN),
	ROW("not so short", "\0\0\0\0\3\x08\x81\0", GRPC_SERVING),
	ROW("the last one counts", "\0\0\0\0\4\x08\1\x08\2", GRPC_NOT_SERVING),
	ROW("compressed", "\1\0\0\0\2\x08\1", GRPC_SERVING_INVALID),
	ROW("too short", "\0\0\0\0\3\x08\1", GRPC_SERVING_INVALID),
	ROW("too long", "\0\0\0\0\1\x08\1", GRPC_SERVING_INVALID),
	ROW("a number without an end", "\0\0\0\0\2\x08\x81", GRPC_SERVING_INVALID),
	ROW("a number that is too long",
	    "\0\0\0\0\x0d\x08\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\0", GRPC_SERVING_INVALID),
	ROW("other fields",
	    "\0\0\0\0\x17\x10\x85\1\x1a\2hi\x21"
	    "01234567\x2d"
	    "0123\x08\1",
	    GRPC_SERVING),
	ROW("a text beyond the end", "\0\0\0\0\3\x1a\5h", GRPC_SERVING_INVALID),
	ROW("a field of no kind", "\0\0\0\0\3\x0b\x08\1", GRPC_SERVING_INVALID),
};

/* From the heap, so that reading beyond the end is found. */
static void test_response(void **arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ uint8_t *data = malloc(rows[i].size + !rows[i].size);
		enum grpc_serving got;

		assert_non_null(data);
		memcpy(data, rows[i].data, rows[i].size);
		got = grpc_health_response(data, rows[i].size);
		if (got != rows[i].want)
			fail_msg("%s: %s", rows[i].name, grpc_serving_to_str(got));
	}
}

static void test_names(void **arg)
{
	(void)arg;
	assert_string_equal(grpc_status_to_str(0), "OK");
	assert_string_equal(grpc_status_to_str(12), "UNIMPLEMENTED");
	assert_string_equal(grpc_status_to_str(16), "UNAUTHENTICATED");
	assert_null(grpc_status_to_str(17));
	assert_null(grpc_status_to_str(-1));
	assert_string_equal(grpc_serving_to_str(GRPC_NOT_SERVING), "NOT_SERVING");
	assert_string_equal(grpc_serving_to_str(GRPC_SERVING_INVALID), "no health message");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

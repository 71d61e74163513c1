/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"
#include "rescue/client_patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START (1000 * NSEC_PER_SEC)

static void test_who_is_silent_is_gone(void **state)
{
	struct client_patience patience = client_patience_from(START);

	(void)state;
	assert_false(client_patience_ends(&patience, START + 5 * NSEC_PER_SEC));
	assert_true(client_patience_ends(&patience, START + 6 * NSEC_PER_SEC));
}

static void test_who_takes_nothing_is_given_up(void **state)
{
	struct client_patience patience = client_patience_from(START);

	(void)state;
	for (uint64_t second = 1; second <= 300; second++) {
		patience.heard = START + second * NSEC_PER_SEC;
		assert_false(client_patience_ends(&patience, patience.heard));
	}
	patience.heard = START + 301 * NSEC_PER_SEC;
	assert_true(client_patience_ends(&patience, patience.heard));
	patience.moved = START + 299 * NSEC_PER_SEC;
	assert_false(client_patience_ends(&patience, patience.heard));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_silent_is_gone),
		cmocka_unit_test(test_who_takes_nothing_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

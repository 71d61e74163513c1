/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_snapshot.h"

#include "base/cleanup.h"
#include "datapath/dp_table.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEC 1000000000ULL
#define NOW (1000 * SEC)

/* Maps as memory, of full size: indexes in them are not to be trusted. */
struct fixture {
	struct dp_maps maps;
	struct dp_frontend_entries frontends;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->maps.frontends_fd = -1;
	f->maps.services = calloc(SW_MAX_SERVICES, sizeof(struct sw_service));
	f->maps.slots = calloc(SW_MAX_SLOTS, sizeof(struct sw_slot));
	f->maps.backends = calloc(SW_MAX_BACKENDS, sizeof(struct sw_backend));
	f->maps.backend_load = calloc(SW_MAX_BACKENDS, sizeof(struct sw_backend_load));
	f->maps.config = calloc(1, sizeof(struct sw_config));
	*f->maps.config = (struct sw_config){.abi_version = SW_ABI_VERSION, .heartbeat = NOW - SEC};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->maps.services);
	free(f->maps.slots);
	free(f->maps.backends);
	free(f->maps.backend_load);
	free(f->maps.config);
	vec_done(&f->frontends);
	free(f);
	return 0;
}

static struct sw_addr address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_from_str(text, &addr), 0);
	return dp_sw_addr(&addr);
}

static void put_service(struct fixture *f, uint32_t index, const char *name)
{
	snprintf(f->maps.services[index].name, SW_SERVICE_NAME_SIZE, "%s", name);
}

static void put_backend(struct fixture *f, uint32_t index, uint32_t service, const char *addr,
			enum sw_health health)
{
	f->maps.backends[index] = (struct sw_backend){
		.addr = address(addr), .port = 8080, .service = service, .health = health};
	f->maps.backend_load[index].connects = 100 + index;
}

static void put_frontend(struct fixture *f, const char *addr, uint16_t port,
			 struct sw_frontend value)
{
	struct dp_frontend_entry entry = {
		.key = {.addr = address(addr), .port = port, .proto = IPPROTO_TCP}, .value = value};

	assert_int_equal(vec_push(&f->frontends, entry), 0);
}

static struct dp_snapshot take(const struct fixture *f)
{
	struct dp_snapshot snapshot;

	assert_int_equal(dp_snapshot_take(&f->maps, &f->frontends, NOW, &snapshot), 0);
	return snapshot;
}

static void test_empty(void **state)
{
	_cleanup_(dp_snapshot_done) struct dp_snapshot snapshot = take(*state);

	assert_int_equal(snapshot.services.len, 0);
	assert_int_equal(snapshot.abi_version, SW_ABI_VERSION);
	assert_true(snapshot.trusted);
}

static void put_two_services(struct fixture *f)
{
	const struct sw_frontend b = {
		.service = 3, .slot_base = 10, .usable = 1, .ready = 2, .terminating = 1};

	put_service(f, 3, "default/b:80/TCP");
	put_service(f, 7, "default/a:443/TCP");
	f->maps.services[3].refused = 4;
	f->maps.services[3].connects = 1000;
	f->maps.services[3].last_used = NOW - 2 * SEC;
	put_backend(f, 21, 3, "10.244.0.1", SW_HEALTH_UP);
	put_backend(f, 20, 3, "10.244.0.2", SW_HEALTH_DOWN);
	put_backend(f, 22, 3, "10.244.0.3", SW_HEALTH_UP);
	f->maps.slots[10].backend = 21;
	f->maps.slots[11].backend = 20;
	f->maps.slots[12].backend = 22;
	put_frontend(f, "10.96.0.3", 80, b);
	put_frontend(f, "10.96.0.9", 443, (struct sw_frontend){.service = 7});
	put_frontend(f, "10.96.0.2", 80, b);
}

static void test_services_by_name(void **state)
{
	struct fixture *f = *state;
	_cleanup_(dp_snapshot_done) struct dp_snapshot snapshot = {};
	const struct dp_snapshot_service *a, *b;
	char text[ADDR_STR_SIZE];
	struct addr addr;

	put_two_services(f);
	snapshot = take(f);
	assert_int_equal(snapshot.services.len, 2);
	assert_int_equal(snapshot.frontends, 3);
	assert_int_equal(snapshot.backends, 3);
	a = &snapshot.services.items[0];
	b = &snapshot.services.items[1];
	assert_string_equal(a->name, "default/a:443/TCP");
	assert_int_equal(a->backends.len, 0);
	assert_string_equal(b->name, "default/b:80/TCP");
	assert_int_equal(b->index, 3);
	assert_int_equal(b->proto, IPPROTO_TCP);
	assert_int_equal(b->refused, 4);
	assert_int_equal(b->connects, 1000 + 120 + 121 + 122);
	assert_int_equal(b->last_used, NOW - 2 * SEC);
	assert_false(b->torn);
	assert_int_equal(b->gaps, 0);
	addr = dp_addr(&b->frontends.items[0].key.addr);
	assert_string_equal(addr_to_str(&addr, text), "10.96.0.2");
}

static void test_backends_in_slot_order(void **state)
{
	struct fixture *f = *state;
	_cleanup_(dp_snapshot_done) struct dp_snapshot snapshot = {};
	const struct dp_snapshot_backend *backends;

	put_two_services(f);
	f->maps.backends[20].lowered = 1;
	snapshot = take(f);
	assert_int_equal(snapshot.services.items[1].backends.len, 3);
	backends = snapshot.services.items[1].backends.items;
	assert_int_equal(backends[0].index, 21);
	assert_int_equal(backends[1].index, 20);
	assert_int_equal(backends[2].index, 22);
	assert_int_equal(backends[0].rank, DP_RANK_USABLE);
	assert_int_equal(backends[1].rank, DP_RANK_DOWN);
	assert_int_equal(backends[2].rank, DP_RANK_TERMINATING);
	assert_true(backends[2].terminating);
	assert_false(backends[1].terminating);
	assert_true(backends[1].lowered);
	assert_false(backends[2].lowered);
	assert_int_equal(backends[1].connects, 120);
}

struct rank_row {
	enum sw_health health;
	bool trusted, ejected, terminating;
	enum dp_rank rank;
};

static const struct rank_row rank_rows[] = {
	{SW_HEALTH_UNKNOWN, true, false, false, DP_RANK_USABLE},
	{SW_HEALTH_UP, true, false, false, DP_RANK_USABLE},
	{SW_HEALTH_SUSPECT, true, false, false, DP_RANK_SUSPECT},
	{SW_HEALTH_UP, true, true, false, DP_RANK_EJECTED},
	{SW_HEALTH_SUSPECT, true, true, false, DP_RANK_EJECTED},
	{SW_HEALTH_DOWN, true, true, false, DP_RANK_DOWN},
	{SW_HEALTH_DOWN, true, false, false, DP_RANK_DOWN},
	{SW_HEALTH_DOWN, true, false, true, DP_RANK_TERMINATING},
	{SW_HEALTH_UP, true, false, true, DP_RANK_TERMINATING},
	{SW_HEALTH_REFUSED, true, false, false, DP_RANK_REFUSED},
	{SW_HEALTH_REFUSED, true, false, true, DP_RANK_REFUSED},
	/* Without a daemon its verdicts do not count, but what the kernel itself has seen does. */
	{SW_HEALTH_REFUSED, false, false, false, DP_RANK_USABLE},
	{SW_HEALTH_DOWN, false, true, false, DP_RANK_EJECTED},
	{SW_HEALTH_DOWN, false, false, true, DP_RANK_TERMINATING},
};

static void test_rank(void **state)
{
	struct fixture *f = *state;

	put_service(f, 1, "default/web:80/TCP");
	f->maps.slots[0].backend = 5;
	put_frontend(f, "10.96.0.1", 80, (struct sw_frontend){.service = 1});
	for (size_t i = 0; i < ARRAY_SIZE(rank_rows); i++) {
		const struct rank_row *row = &rank_rows[i];
		_cleanup_(dp_snapshot_done) struct dp_snapshot snapshot = {};

		put_backend(f, 5, 1, "10.244.0.1", row->health);
		f->maps.backends[5].ejected_until = row->ejected ? NOW + 1 : NOW;
		f->maps.config->heartbeat = NOW - (row->trusted ? 4 : 6) * SEC;
		f->frontends.items[0].value.ready = !row->terminating;
		f->frontends.items[0].value.terminating = row->terminating;
		snapshot = take(f);
		assert_int_equal(snapshot.trusted, row->trusted);
		if (snapshot.services.items[0].backends.items[0].rank != row->rank)
			fail_msg("row %zu: %s instead of %s", i,
				 dp_rank_to_str(snapshot.services.items[0].backends.items[0].rank),
				 dp_rank_to_str(row->rank));
	}
}

static void test_never_a_heartbeat(void **state)
{
	struct fixture *f = *state;
	_cleanup_(dp_snapshot_done) struct dp_snapshot snapshot = {};

	f->maps.config->heartbeat = 0;
	snapshot = take(f);
	assert_false(snapshot.trusted);
}

static void test_gaps(void **state)
{
	struct fixture *f = *state;
	_cleanup_(dp_snapshot_done) struct dp_snapshot snapshot = {};

	put_service(f, 1, "default/web:80/TCP");
	put_backend(f, 5, 1, "10.244.0.1", SW_HEALTH_UP);
	put_backend(f, 6, 2, "10.244.0.2", SW_HEALTH_UP);   /* of another service */
	put_backend(f, 7, 1, "10.244.0.3", SW_HEALTH_FREE); /* given back */
	f->maps.slots[0].backend = 6;
	f->maps.slots[1].backend = SW_MAX_BACKENDS;
	f->maps.slots[2].backend = 5;
	f->maps.slots[3].backend = 7;
	put_frontend(f, "10.96.0.1", 80, (struct sw_frontend){.service = 1, .ready = 5});
	snapshot = take(f);
	assert_int_equal(snapshot.services.items[0].backends.len, 1);
	assert_int_equal(snapshot.services.items[0].backends.items[0].index, 5);
	assert_int_equal(snapshot.services.items[0].gaps, 4);
}

static void test_nonsense_is_bounded(void **state)
{
	struct fixture *f = *state;
	_cleanup_(dp_snapshot_done) struct dp_snapshot snapshot = {};

	put_service(f, 1, "default/web:80/TCP");
	memset(f->maps.services[1].name, 'x', SW_SERVICE_NAME_SIZE);
	put_frontend(f, "10.96.0.1", 80,
		     (struct sw_frontend){.service = 1,
					  .slot_base = UINT32_MAX,
					  .ready = UINT32_MAX,
					  .terminating = UINT32_MAX});
	put_frontend(f, "10.96.0.2", 80, (struct sw_frontend){.service = UINT32_MAX});
	put_frontend(f, "10.96.0.3", 80, (struct sw_frontend){.service = 2});
	put_frontend(f, "10.96.0.4", 80, (struct sw_frontend){.service = 0});
	snapshot = take(f);
	assert_int_equal(snapshot.services.len, 1);
	assert_int_equal(strlen(snapshot.services.items[0].name), SW_SERVICE_NAME_SIZE - 1);
	assert_int_equal(snapshot.services.items[0].backends.len, 0);
	assert_int_equal(snapshot.broken, 3);
}

static void test_torn(void **state)
{
	struct fixture *f = *state;
	_cleanup_(dp_snapshot_done) struct dp_snapshot snapshot = {};

	put_service(f, 1, "default/web:80/TCP");
	put_frontend(f, "10.96.0.1", 80, (struct sw_frontend){.service = 1, .slot_base = 4});
	put_frontend(f, "10.96.0.2", 80,
		     (struct sw_frontend){.service = 1, .slot_base = 4, .ready = 1});
	snapshot = take(f);
	assert_true(snapshot.services.items[0].torn);
}

/* With traffic policies, frontends of one service lead to different endpoints. */
static void test_two_ranges(void **state)
{
	struct fixture *f = *state;
	_cleanup_(dp_snapshot_done) struct dp_snapshot snapshot = {};
	const struct dp_snapshot_service *service;

	put_service(f, 1, "default/web:80/TCP");
	put_backend(f, 5, 1, "10.244.0.1", SW_HEALTH_UP);
	put_backend(f, 6, 1, "10.244.0.2", SW_HEALTH_UP);
	put_backend(f, 7, 1, "10.244.0.3", SW_HEALTH_UP);
	f->maps.slots[4].backend = 5;
	f->maps.slots[5].backend = 6;
	f->maps.slots[8].backend = 6;
	f->maps.slots[9].backend = 7;
	put_frontend(
		f, "10.96.0.1", 80,
		(struct sw_frontend){
			.service = 1, .slot_base = 4, .usable = 1, .ready = 1, .terminating = 1});
	put_frontend(f, "10.96.0.2", 80,
		     (struct sw_frontend){.service = 1, .slot_base = 8, .usable = 2, .ready = 2});
	put_frontend(f, "10.96.0.3", 80, (struct sw_frontend){.service = 1});
	snapshot = take(f);
	service = &snapshot.services.items[0];
	assert_false(service->torn);
	assert_int_equal(service->backends.len, 3);
	assert_int_equal(service->backends.items[1].index, 6);
	assert_false(service->backends.items[1].terminating);
	assert_int_equal(service->ready, 3);
	assert_int_equal(service->terminating, 0);
	assert_int_equal(service->usable_hint, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty),
		TEST(test_services_by_name),
		TEST(test_backends_in_slot_order),
		TEST(test_rank),
		TEST(test_never_a_heartbeat),
		TEST(test_gaps),
		TEST(test_nonsense_is_bounded),
		TEST(test_torn),
		TEST(test_two_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The core of the choice in the kernel: same code as in the hooks, real maps, no sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "swerve_abi.h"

#include "bpf/choose_probe.h"

#include "base/clock.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "choose_probe.skel.h"

/* As in choose.bpf.h, which only BPF programs can include together with libbpf's header. */
enum { NOT_OURS, BACKEND, REFUSE };

static struct choose_probe_bpf *skel;

static const struct sw_frontend_key web = {.port = 80, .proto = 6};

static void put(struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

/* Backend `index` of service 1 in slot `slot`. */
static void put_backend(__u32 slot, __u32 index, __u32 health)
{
	struct sw_backend backend = {.port = (__u16)(8000 + index), .service = 1, .health = health};
	struct sw_slot value = {.backend = index};

	put(skel->maps.sw_backends, &index, &backend);
	put(skel->maps.sw_slots, &slot, &value);
}

static void put_frontend(__u32 ready, __u32 terminating)
{
	struct sw_frontend frontend = {.service = 1,
				       .slot_base = 8,
				       .usable = ready,
				       .ready = ready,
				       .terminating = terminating};

	frontend.check = sw_frontend_check(&web, &frontend);
	put(skel->maps.sw_frontends, &web, &frontend);
}

static int run(struct choose_probe *probe)
{
	/* The kernel copies the context back to where it came from. */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = probe, .ctx_size_in = sizeof(*probe));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.choose_probe), &opts),
			 0);
	return (int)opts.retval;
}

static int setup(void **state)
{
	struct sw_config config = {.abi_version = SW_ABI_VERSION, .heartbeat = clock_now()};
	__u32 zero = 0;

	(void)state;
	put(skel->maps.sw_config, &zero, &config);
	bpf_map_delete_elem(bpf_map__fd(skel->maps.sw_frontends), &web);
	return 0;
}

static void test_miss(void **state)
{
	struct choose_probe probe = {.key = web};

	(void)state;
	assert_int_equal(run(&probe), NOT_OURS);
}

static void test_hit(void **state)
{
	struct choose_probe probe = {.key = web};
	struct sw_service service;
	__u32 index = 1;

	(void)state;
	put_frontend(1, 0);
	put_backend(8, 5, SW_HEALTH_UP);
	assert_int_equal(run(&probe), BACKEND);
	assert_int_equal(probe.backend, 5);
	assert_int_equal(probe.port, 8005);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.sw_services), &index, &service),
			 0);
	assert_int_not_equal(service.last_used, 0);
}

static void test_no_endpoints(void **state)
{
	struct choose_probe probe = {.key = web};

	(void)state;
	put_frontend(0, 0);
	assert_int_equal(run(&probe), REFUSE);
}

static void test_best_of_many(void **state)
{
	struct choose_probe probe = {.key = web};

	(void)state;
	put_frontend(10, 2);
	for (__u32 i = 0; i < 12; i++)
		put_backend(8 + i, 10 + i, i == 7 ? SW_HEALTH_SUSPECT : SW_HEALTH_DOWN);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(run(&probe), BACKEND);
		assert_int_equal(probe.backend, 17);
	}
}

static void test_random_in_the_kernel_reaches_all(void **state)
{
	struct choose_probe probe = {.key = web};
	unsigned int counts[4] = {};

	(void)state;
	put_frontend(4, 0);
	for (__u32 i = 0; i < 4; i++)
		put_backend(8 + i, 10 + i, SW_HEALTH_UP);
	for (int i = 0; i < 4000; i++) {
		assert_int_equal(run(&probe), BACKEND);
		assert_in_range(probe.backend, 10, 13);
		counts[probe.backend - 10]++;
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(counts[i], 800, 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_miss, setup),
		cmocka_unit_test_setup(test_hit, setup),
		cmocka_unit_test_setup(test_no_endpoints, setup),
		cmocka_unit_test_setup(test_best_of_many, setup),
		cmocka_unit_test_setup(test_random_in_the_kernel_reaches_all, setup),
	};
	int failed;

	if (geteuid()) {
		puts("skip: needs root");
		return 77;
	}
	skel = choose_probe_bpf__open();
	if (!skel || choose_probe_bpf__load(skel)) {
		/* Programs of this type exist since Linux 5.14; test_bpf_sock covers what is older. */
		if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SYSCALL, NULL) == 1) {
			puts("the probe program does not load");
			return 1;
		}
		puts("this kernel has no programs of type syscall: nothing to run");
		choose_probe_bpf__destroy(skel);
		return 0;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	choose_probe_bpf__destroy(skel);
	return failed;
}

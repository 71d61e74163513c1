/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "conns/netns_list.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

static char proc[] = "/tmp/swerve-netns.XXXXXX";

/* A process whose namespace is the file `netns`, or that has none. */
static void add_process(const char *name, const char *netns)
{
	char path[128], target[128];

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/ns", proc, name);
	assert_int_equal(mkdir(path, 0700), 0);
	if (!netns)
		return;
	snprintf(path, sizeof(path), "%s/%s/ns/net", proc, name);
	snprintf(target, sizeof(target), "%s/%s", proc, netns);
	assert_int_equal(symlink(target, path), 0);
}

static void add_netns(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_return_code(fd, errno);
	close(fd);
}

static void remove_all(void)
{
	const char *const processes[] = {"1", "20", "300", "4", "55"};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(processes); i++) {
		snprintf(path, sizeof(path), "%s/%s/ns/net", proc, processes[i]);
		unlink(path);
		snprintf(path, sizeof(path), "%s/%s/ns", proc, processes[i]);
		rmdir(path);
		snprintf(path, sizeof(path), "%s/%s", proc, processes[i]);
		rmdir(path);
	}
	snprintf(path, sizeof(path), "%s/a", proc);
	unlink(path);
	snprintf(path, sizeof(path), "%s/b", proc);
	unlink(path);
	rmdir(proc);
}

static void test_each_namespace_is_there_once(void **state)
{
	struct netns_list list = {};

	(void)state;
	assert_non_null(mkdtemp(proc));
	add_netns("a");
	add_netns("b");
	add_process("1", "a");
	add_process("20", "b");
	add_process("300", "a");
	add_process("4", NULL);       /* not readable */
	add_process("55", "missing"); /* has ended */
	assert_int_equal(netns_list_read(&list, proc), 0);
	remove_all();
	assert_int_equal(list.len, 2);
	assert_true(list.items[0].inode != list.items[1].inode);
	vec_foreach(&list, netns)
		assert_return_code(fcntl(netns->fd, F_GETFD), errno);
	netns_list_done(&list);
	assert_int_equal(list.len, 0);
}

static void test_own_namespace_is_there(void **state)
{
	struct netns_list list = {};
	struct stat own;
	size_t found = 0;

	(void)state;
	assert_int_equal(stat("/proc/self/ns/net", &own), 0);
	assert_int_equal(netns_list_read(&list, "/proc"), 0);
	vec_foreach(&list, netns)
		found += netns->inode == own.st_ino && netns->device == own.st_dev;
	assert_int_equal(found, 1);
	netns_list_done(&list);
}

static void test_no_proc(void **state)
{
	struct netns_list list = {};

	(void)state;
	assert_int_equal(netns_list_read(&list, "/nonexistent"), -ENOENT);
	netns_list_done(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_namespace_is_there_once),
		cmocka_unit_test(test_own_namespace_is_there),
		cmocka_unit_test(test_no_proc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

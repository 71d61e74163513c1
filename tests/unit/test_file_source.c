/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of its own for each test, real inotify. What the source has reported is kept as
 * text, "api=2 web=1" for two Services with these uids, and tests wait until it is as expected.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "loop/loop.h"
#include "model/service.h"
#include "source/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { OBJECTS_MAX = 16, NAME_SIZE = 64, STATE_SIZE = OBJECTS_MAX * 2 * NAME_SIZE };

/* Only reached when something is wrong. */
#define PATIENCE (10 * NSEC_PER_SEC)

struct reported {
	char name[NAME_SIZE];
	char uid[NAME_SIZE];
};

struct fixture {
	char dir[64];
	struct loop *loop;
	struct file_source *source;
	struct reported objects[OBJECTS_MAX];
	size_t len;
	size_t puts;
	size_t removes;
	size_t synced;
};

static struct reported *find(struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->len; i++) {
		if (strcmp(f->objects[i].name, name) == 0)
			return &f->objects[i];
	}
	return NULL;
}

static void on_put(void *arg, struct object *object)
{
	struct fixture *f = arg;
	struct reported *reported = find(f, object_name(object));

	assert_int_equal(object->kind, OBJECT_SERVICE);
	assert_string_equal(object_namespace(object), "default");
	if (!reported) {
		assert_true(f->len < OBJECTS_MAX);
		reported = &f->objects[f->len++];
	}
	snprintf(reported->name, NAME_SIZE, "%s", object_name(object));
	snprintf(reported->uid, NAME_SIZE, "%s", object->service->uid);
	object_done(object);
	f->puts++;
}

static void on_remove(void *arg, enum object_kind kind, const char *namespace, const char *name)
{
	struct fixture *f = arg;
	struct reported *reported = find(f, name);

	assert_int_equal(kind, OBJECT_SERVICE);
	assert_string_equal(namespace, "default");
	assert_non_null(reported);
	*reported = f->objects[--f->len];
	f->removes++;
}

static void on_synced(void *arg)
{
	struct fixture *f = arg;

	f->synced++;
}

static int compare(const void *a, const void *b)
{
	const struct reported *left = a;
	const struct reported *right = b;

	return strcmp(left->name, right->name);
}

static const char *state_of(struct fixture *f, char buf[static STATE_SIZE])
{
	size_t len = 0;

	qsort(f->objects, f->len, sizeof(f->objects[0]), compare);
	buf[0] = 0;
	for (size_t i = 0; i < f->len; i++)
		len += (size_t)snprintf(buf + len, STATE_SIZE - len, "%s%s=%s", i ? " " : "",
					f->objects[i].name, f->objects[i].uid);
	return buf;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/tmp/test_file_source.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	return loop_new(&f->loop);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	file_source_free(f->source);
	loop_free(f->loop);
	nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static const char *path_of(struct fixture *f, const char *name, char buf[static 256])
{
	snprintf(buf, 256, "%s/%s", f->dir, name);
	return buf;
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
	char path[256];
	FILE *file = fopen(path_of(f, name, path), "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* "web=1 api=2" as a ServiceList; "web=" gives a Service that does not decode. */
static void list_of(const char *services, char buf[static 4096])
{
	char words[512];
	char *save;
	size_t len = (size_t)snprintf(buf, 4096, "{\"kind\": \"ServiceList\", \"items\": [");
	const char *comma = "";

	snprintf(words, sizeof(words), "%s", services);
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(word, '=');

		*equals = 0;
		len += (size_t)snprintf(buf + len, 4096 - len,
					"%s{\"metadata\": {\"name\": \"%s\", \"uid\": \"%s\"}, "
					"\"spec\": %s}",
					comma, word, equals + 1, equals[1] ? "{}" : "5");
		comma = ",";
	}
	snprintf(buf + len, 4096 - len, "]}\n");
}

static void write_services(struct fixture *f, const char *name, const char *services)
{
	char text[4096];

	list_of(services, text);
	write_file(f, name, text);
}

static void rename_file(struct fixture *f, const char *from, const char *to)
{
	char from_path[256];
	char to_path[256];

	assert_int_equal(rename(path_of(f, from, from_path), path_of(f, to, to_path)), 0);
}

static void remove_file(struct fixture *f, const char *name)
{
	char path[256];

	assert_int_equal(unlink(path_of(f, name, path)), 0);
}

static void start(struct fixture *f, const char *name)
{
	struct source_events events = {on_put, on_remove, on_synced, f};
	char path[256];

	assert_int_equal(file_source_new(f->loop, path_of(f, name, path), &events, &f->source), 0);
	assert_int_equal(f->synced, 1);
}

static void wait_for(struct fixture *f, const char *expected)
{
	uint64_t end = clock_now() + PATIENCE;
	char buf[STATE_SIZE];

	while (strcmp(state_of(f, buf), expected) != 0) {
		if (clock_now() > end)
			fail_msg("\"%s\" instead of \"%s\"", buf, expected);
		assert_int_equal(loop_run_once(f->loop, 100 * NSEC_PER_MSEC), 0);
	}
}

/* Runs until another reading is done. */
static void wait_for_reading(struct fixture *f)
{
	uint64_t end = clock_now() + PATIENCE;
	size_t before = f->synced;

	while (f->synced == before) {
		assert_true(clock_now() < end);
		assert_int_equal(loop_run_once(f->loop, 100 * NSEC_PER_MSEC), 0);
	}
}

static void assert_state(struct fixture *f, const char *expected)
{
	char buf[STATE_SIZE];

	assert_string_equal(state_of(f, buf), expected);
}

static void test_reads_at_once(void **state)
{
	struct fixture *f = *state;

	write_services(f, "c.json", "web=1 api=1");
	start(f, "c.json");
	assert_state(f, "api=1 web=1");
	assert_int_equal(f->removes, 0);
}

static void test_written_in_place(void **state)
{
	struct fixture *f = *state;

	write_services(f, "c.json", "web=1");
	start(f, "c.json");
	write_services(f, "c.json", "web=2");
	wait_for(f, "web=2");
	write_services(f, "other.json", "api=1");
	write_services(f, "c.json", "web=3");
	wait_for(f, "web=3");
}

static void test_replaced_by_rename(void **state)
{
	struct fixture *f = *state;

	write_services(f, "c.json", "web=1");
	start(f, "c.json");
	for (int i = 2; i < 5; i++) {
		char services[32];

		snprintf(services, sizeof(services), "web=%d", i);
		write_services(f, "c.json.new", services);
		rename_file(f, "c.json.new", "c.json");
		wait_for(f, services);
	}
}

static void test_reports_only_differences(void **state)
{
	struct fixture *f = *state;

	write_services(f, "c.json", "api=1 db=1 web=1");
	start(f, "c.json");
	assert_int_equal(f->puts, 3);
	write_services(f, "c.json", "web=2 api=1 new=1");
	wait_for(f, "api=1 new=1 web=2");
	assert_int_equal(f->puts, 5);
	assert_int_equal(f->removes, 1);
}

static void test_broken_file_keeps_everything(void **state)
{
	static const char *const broken[] = {"", "{", "[]", "nonsense", "{\"kind\": \"List\"}"};
	struct fixture *f = *state;

	write_services(f, "c.json", "api=1 web=1");
	start(f, "c.json");
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		write_file(f, "c.json.new", broken[i]);
		rename_file(f, "c.json.new", "c.json");
		wait_for_reading(f);
		assert_state(f, "api=1 web=1");
	}
	write_services(f, "c.json", "web=2");
	wait_for(f, "web=2");
}

static void test_broken_file_at_start(void **state)
{
	struct fixture *f = *state;

	write_file(f, "c.json", "{");
	start(f, "c.json");
	assert_state(f, "");
	write_services(f, "c.json", "web=1");
	wait_for(f, "web=1");
}

static void test_broken_object_keeps_its_last_good_state(void **state)
{
	struct fixture *f = *state;

	write_services(f, "c.json", "api=1 web=1");
	start(f, "c.json");
	write_services(f, "c.json", "web= api=2 new=");
	wait_for(f, "api=2 web=1");
	assert_int_equal(f->puts, 3);
	write_services(f, "c.json", "web=3 api=2 new=1");
	wait_for(f, "api=2 new=1 web=3");
	write_services(f, "c.json", "api=3");
	wait_for(f, "api=3");
}

static void test_last_of_two_counts(void **state)
{
	struct fixture *f = *state;

	write_services(f, "c.json", "web=1 api=1 web=2");
	start(f, "c.json");
	assert_state(f, "api=1 web=2");
	assert_int_equal(f->puts, 2);
	write_services(f, "c.json", "web=1 api=2 web=2");
	wait_for(f, "api=2 web=2");
	assert_int_equal(f->puts, 3);
}

static void test_single_file_vanishes(void **state)
{
	struct fixture *f = *state;

	write_services(f, "c.json", "api=1 web=1");
	start(f, "c.json");
	remove_file(f, "c.json");
	wait_for_reading(f);
	assert_state(f, "api=1 web=1");
	write_services(f, "c.json", "web=2");
	wait_for(f, "web=2");
}

static void test_directory(void **state)
{
	struct fixture *f = *state;

	write_services(f, "a.json", "api=1");
	write_services(f, "b.json", "web=1");
	write_services(f, "c.txt", "text=1");
	write_services(f, ".hidden.json", "hidden=1");
	start(f, ".");
	assert_state(f, "api=1 web=1");
	write_services(f, "c.json", "db=1");
	wait_for(f, "api=1 db=1 web=1");
	write_file(f, "a.json", "broken");
	wait_for_reading(f);
	remove_file(f, "b.json");
	wait_for(f, "api=1 db=1");
	remove_file(f, "a.json");
	wait_for(f, "db=1");
	remove_file(f, "c.json");
	wait_for(f, "");
	assert_int_equal(f->puts, 3);
	assert_int_equal(f->removes, 3);
}

static void test_first_file_counts(void **state)
{
	struct fixture *f = *state;

	write_services(f, "b.json", "api=b web=b");
	start(f, ".");
	assert_state(f, "api=b web=b");
	write_services(f, "a.json", "web=a");
	wait_for(f, "api=b web=a");
	write_services(f, "b.json", "api=b2 web=b2");
	wait_for(f, "api=b2 web=a");
	/* A file that is broken still owns what came from it. */
	write_file(f, "a.json", "broken");
	write_services(f, "b.json", "api=b3 web=b3");
	wait_for(f, "api=b3 web=a");
	remove_file(f, "a.json");
	wait_for(f, "api=b3 web=b3");
	assert_int_equal(f->removes, 0);
}

static void test_directory_vanishes(void **state)
{
	struct fixture *f = *state;
	char path[256];

	path_of(f, "sub", path);
	assert_int_equal(mkdir(path, 0700), 0);
	write_services(f, "sub/a.json", "web=1");
	start(f, "sub");
	rename_file(f, "sub", "elsewhere");
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_run_once(f->loop, 20 * NSEC_PER_MSEC), 0);
	assert_state(f, "web=1");
	assert_int_equal(mkdir(path, 0700), 0);
	write_services(f, "sub/a.json", "web=2");
	wait_for(f, "web=2");
	write_services(f, "sub/a.json", "web=3");
	wait_for(f, "web=3");
}

/* As the kubelet lays out a ConfigMap volume: c.json → ..data/c.json, ..data → a directory. */
static void make_version(struct fixture *f, const char *version, const char *services)
{
	char path[256];
	char file[64];

	assert_int_equal(mkdir(path_of(f, version, path), 0700), 0);
	snprintf(file, sizeof(file), "%s/c.json", version);
	write_services(f, file, services);
	assert_int_equal(symlink(version, path_of(f, "..data_tmp", path)), 0);
	rename_file(f, "..data_tmp", "..data");
}

static void run_config_map(struct fixture *f, const char *source)
{
	char path[256];

	make_version(f, "..v1", "web=1");
	assert_int_equal(symlink("..data/c.json", path_of(f, "c.json", path)), 0);
	start(f, source);
	assert_state(f, "web=1");
	make_version(f, "..v2", "web=2");
	wait_for(f, "web=2");
	make_version(f, "..v3", "api=1");
	wait_for(f, "api=1");
}

static void test_config_map_file(void **state)
{
	run_config_map(*state, "c.json");
}

static void test_config_map_directory(void **state)
{
	run_config_map(*state, ".");
}

static void test_paths_that_can_not_be_watched(void **state)
{
	struct fixture *f = *state;
	struct source_events events = {on_put, on_remove, on_synced, f};
	char path[256];

	path_of(f, "none.json", path);
	assert_int_equal(file_source_new(f->loop, path, &events, &f->source), -ENOENT);
	path_of(f, "fifo.json", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(file_source_new(f->loop, path, &events, &f->source), -EINVAL);
	assert_null(f->source);
	assert_int_equal(f->synced, 0);
}

/* A FIFO, a directory and a dangling link among the files, and one that is too large. */
static void test_strange_files(void **state)
{
	struct fixture *f = *state;
	char path[256];

	assert_int_equal(mkfifo(path_of(f, "a.json", path), 0600), 0);
	assert_int_equal(mkdir(path_of(f, "b.json", path), 0700), 0);
	assert_int_equal(symlink("nowhere", path_of(f, "c.json", path)), 0);
	write_services(f, "d.json", "web=1");
	write_services(f, "e.json", "api=1");
	start(f, ".");
	assert_state(f, "api=1 web=1");
	assert_int_equal(truncate(path_of(f, "e.json", path), 257L * 1024 * 1024), 0);
	write_services(f, "d.json", "web=2");
	wait_for(f, "api=1 web=2");
}

/* A link that leads nowhere any more is a file that is gone. */
static void test_link_that_breaks(void **state)
{
	struct fixture *f = *state;
	char path[256];

	write_services(f, "target", "web=1");
	write_services(f, "b.json", "api=1");
	assert_int_equal(symlink("target", path_of(f, "a.json", path)), 0);
	start(f, ".");
	assert_state(f, "api=1 web=1");
	remove_file(f, "target");
	write_services(f, "b.json", "api=2");
	wait_for(f, "api=2");
}

static char *read_log(const char *path)
{
	char *text = calloc(1, 65536);
	FILE *file = fopen(path, "re");

	assert_non_null(text);
	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* Reads a file with 100 broken Services and returns what was logged. */
static char *log_of_broken_file(struct fixture *f)
{
	_cleanup_close_ int old_stderr = dup(STDERR_FILENO);
	_cleanup_close_ int file = -1;
	char path[256];
	FILE *out = fopen(path_of(f, "c.json", path), "we");

	assert_non_null(out);
	fputs("{\"kind\": \"ServiceList\", \"items\": [{}", out);
	for (int i = 0; i < 99; i++)
		fprintf(out, ",{\"metadata\": {\"name\": \"s%d\"}, \"spec\": 5}", i);
	fputs("]}", out);
	fclose(out);

	file = open(path_of(f, "log", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(old_stderr >= 0 && file >= 0);
	assert_true(dup2(file, STDERR_FILENO) >= 0);
	start(f, "c.json");
	assert_true(dup2(old_stderr, STDERR_FILENO) >= 0);
	return read_log(path);
}

static void test_problems_are_logged_but_not_without_end(void **state)
{
	_cleanup_free_ char *text = log_of_broken_file(*state);

	assert_non_null(strstr(text, "/c.json: Service items[0]: metadata.name: missing"));
	assert_non_null(strstr(text, "/c.json: Service default/s5: spec: 5 is not an object"));
	assert_non_null(strstr(text, "80 more problems"));
	assert_int_equal(count_lines(text), 21);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_reads_at_once),
		TEST(test_written_in_place),
		TEST(test_replaced_by_rename),
		TEST(test_reports_only_differences),
		TEST(test_broken_file_keeps_everything),
		TEST(test_broken_file_at_start),
		TEST(test_broken_object_keeps_its_last_good_state),
		TEST(test_last_of_two_counts),
		TEST(test_single_file_vanishes),
		TEST(test_directory),
		TEST(test_first_file_counts),
		TEST(test_directory_vanishes),
		TEST(test_config_map_file),
		TEST(test_config_map_directory),
		TEST(test_paths_that_can_not_be_watched),
		TEST(test_strange_files),
		TEST(test_link_that_breaks),
		TEST(test_problems_are_logged_but_not_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Always a directory is watched, that of the file or the one given: a watch on a file would end
 * when the file is replaced. The watch is set before files are read, so no change is missed.
 *
 * Every reading reads all files: which of two files counts for an object may change with any of
 * them.
 */
#include "source/file.h"

#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "base/log.h"
#include "loop/loop.h"
#include "source/file_objects.h"
#include "source/file_read.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

enum { FILE_SIZE_MAX = 256 * 1024 * 1024 };

/* A change often comes as several events; they are answered by one reading. */
#define SETTLE_TIME (15 * NSEC_PER_MSEC)
#define RETRY_TIME  (500 * NSEC_PER_MSEC)

struct file_source {
	struct loop *loop; /* borrowed */
	struct loop_io io;
	struct loop_timer timer;
	struct file_objects *objects;
	char *directory;
	char *name; /* of the one file; NULL: all *.json files of the directory */
	int inotify;
	int watch;    /* -1: the directory is not watched, it is gone */
	uint64_t due; /* when the next reading is, 0: none is wanted */
	bool broken;  /* a file could not be read or parsed at the last reading */
	bool failed;  /* something of the reading that is going on may succeed later */
};

struct name_list {
	struct dirent **items;
	int len;
};

static void name_list_done(struct name_list *names)
{
	for (int i = 0; i < names->len; i++)
		free(names->items[i]);
	free(names->items);
}

static bool is_json_name(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > 5 && strcmp(name + len - 5, ".json") == 0;
}

static int keep_json(const struct dirent *entry)
{
	return is_json_name(entry->d_name);
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* An earlier reading that is due already stays. */
static void arm(struct file_source *source, uint64_t delay)
{
	uint64_t due = loop_now(source->loop) + delay;

	if (source->due && source->due <= due)
		return;
	if (loop_timer_arm(source->loop, &source->timer, due) < 0)
		log_error("file source %s: no memory for a timer, this change is not read",
			  source->directory);
	else
		source->due = due;
}

static int watch_directory(struct file_source *source)
{
	const uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
				IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

	if (source->watch >= 0)
		return 0;
	source->watch = inotify_add_watch(source->inotify, source->directory, events);
	return source->watch < 0 ? -errno : 0;
}

/* Whether a file that can not be read is to be tried again without a change to it. */
static bool is_passing(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -EIO;
}

static void read_one(struct file_source *source, const char *name)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	size_t size;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", source->directory, name) >= PATH_MAX)
		return;
	r = file_read(path, FILE_SIZE_MAX, &text, &size);
	if (r == -ENOENT && !source->name)
		return;
	if (r == 0)
		r = file_objects_apply(source->objects, path, text, size);
	else
		file_objects_keep(source->objects, path);
	if (r == 0)
		return;
	source->broken = true;
	log_warn("file %s: %s; what came from it before stays", path, strerror(-r));
	source->failed |= is_passing(r);
}

/* Returns 0 or -errno; then nothing was read. */
static int read_directory(struct file_source *source)
{
	_cleanup_(name_list_done) struct name_list names = {};

	names.len = scandir(source->directory, &names.items, keep_json, compare_names);
	if (names.len < 0)
		return -errno;
	file_objects_begin(source->objects);
	for (int i = 0; i < names.len; i++)
		read_one(source, names.items[i]->d_name);
	file_objects_end(source->objects);
	return 0;
}

static void read_file(struct file_source *source)
{
	file_objects_begin(source->objects);
	read_one(source, source->name);
	file_objects_end(source->objects);
}

static void read_all(struct file_source *source)
{
	int r = 0;

	source->failed = source->broken = false;
	if (source->name)
		read_file(source);
	else
		r = read_directory(source);
	if (r < 0)
		log_warn("directory %s: %s; what came from it before stays", source->directory,
			 strerror(-r));
	source->broken |= r < 0;
	if (r < 0 || source->failed)
		arm(source, RETRY_TIME);
}

static void on_timer(struct loop_timer *timer, uint64_t now)
{
	struct file_source *source = container_of(timer, struct file_source, timer);

	(void)now;
	source->due = 0;
	if (watch_directory(source) < 0)
		arm(source, RETRY_TIME);
	else
		read_all(source);
}

/* Names that begin with ".." are the links that a ConfigMap volume switches. */
static bool is_about_us(const struct file_source *source, const struct inotify_event *event)
{
	if (event->len == 0 || strncmp(event->name, "..", 2) == 0)
		return true;
	if (source->name)
		return strcmp(event->name, source->name) == 0;
	return is_json_name(event->name);
}

static void on_event(struct file_source *source, const struct inotify_event *event)
{
	/* Of a watch that was given up. */
	if (event->wd >= 0 && event->wd != source->watch)
		return;
	if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) {
		log_warn("directory %s is gone; what came from it stays until it is back",
			 source->directory);
		inotify_rm_watch(source->inotify, source->watch);
		source->watch = -1;
	}
	if (is_about_us(source, event))
		arm(source, SETTLE_TIME);
}

static void on_inotify(struct loop_io *io, uint32_t events)
{
	struct file_source *source = container_of(io, struct file_source, io);
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t len;

	(void)events;
	while ((len = read(source->inotify, buf, sizeof(buf))) > 0) {
		const struct inotify_event *event;

		for (char *p = buf; p < buf + len; p += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)p;
			on_event(source, event);
		}
	}
}

/* Splits path into the directory to watch and, if it is a file, its name in there. */
static int split_path(struct file_source *source, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		source->directory = strdup(path);
		return source->directory ? 0 : -ENOMEM;
	}
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	source->name = strdup(slash ? slash + 1 : path);
	if (!slash)
		source->directory = strdup(".");
	else
		source->directory = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	return source->name && source->directory ? 0 : -ENOMEM;
}

static int start_watching(struct file_source *source)
{
	int r;

	source->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (source->inotify < 0)
		return -errno;
	r = watch_directory(source);
	if (r < 0)
		return r;
	source->io.fd = source->inotify;
	source->io.fn = on_inotify;
	source->timer.fn = on_timer;
	return loop_io_add(source->loop, &source->io, EPOLLIN);
}

static void source_cleanup(struct file_source **source)
{
	file_source_free(*source);
}

int file_source_new(struct loop *loop, const char *path, const struct source_events *events,
		    struct file_source **ret)
{
	_cleanup_(source_cleanup) struct file_source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return -ENOMEM;
	source->loop = loop;
	source->inotify = -1;
	source->watch = -1;
	r = split_path(source, path);
	if (r == 0)
		r = file_objects_new(events, &source->objects);
	if (r == 0)
		r = start_watching(source);
	if (r != 0)
		return r;
	read_all(source);
	*ret = TAKE_PTR(source);
	return 0;
}

void file_source_free(struct file_source *source)
{
	if (!source)
		return;
	loop_io_del(&source->io);
	loop_timer_cancel(&source->timer);
	cleanup_close(&source->inotify);
	file_objects_free(source->objects);
	free(source->directory);
	free(source->name);
	free(source);
}

bool file_source_is_whole(const struct file_source *source)
{
	return !source->broken && file_objects_are_whole(source->objects);
}

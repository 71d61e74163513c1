/* SPDX-License-Identifier: Apache-2.0 */
#include "conns/socket_owner.h"

#include "base/cleanup.h"
#include "swerve_abi.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

struct search {
	const struct socket_owner_walk *walk;
	struct sock_diag_sockets *sockets;
	size_t left; /* sockets whose owner has not been found yet */
};

static void close_directory(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

/* Returns the socket if it is looked for, else NULL. Each is found once, by its first owner. */
static struct sock_diag_socket *find_socket(const struct search *search, unsigned int inode)
{
	vec_foreach(search->sockets, socket) {
		if (socket->inode == inode)
			return socket;
	}
	return NULL;
}

static void look_into(const struct search *search, int pid, int number,
		      struct sock_diag_socket *socket)
{
	const struct socket_owner_walk *walk = search->walk;
	_cleanup_close_ int process = (int)syscall(SYS_pidfd_open, pid, 0), fd = -1;
	struct sw_socket storage;

	if (process < 0)
		return;
	fd = (int)syscall(SYS_pidfd_getfd, process, number, 0);
	if (fd < 0 || walk->storage(walk->storage_arg, fd, &storage) ||
	    !sock_diag_match(walk->query, socket, &storage))
		return;
	if (!walk->found(walk, socket, fd, &storage))
		socket->target = SOCK_DIAG_NO_TARGET;
}

static void look_at(struct search *search, int pid, int directory, const char *name)
{
	struct sock_diag_socket *socket;
	unsigned int inode;
	char link[64];
	int number;
	ssize_t n = readlinkat(directory, name, link, sizeof(link) - 1);

	if (n <= 0)
		return;
	link[n] = '\0';
	if (sscanf(link, "socket:[%u]", &inode) != 1 || sscanf(name, "%d", &number) != 1)
		return;
	socket = find_socket(search, inode);
	if (!socket)
		return;
	look_into(search, pid, number, socket);
	socket->inode = 0;
	search->left--;
}

static void look_through(struct search *search, int proc, const char *process)
{
	_cleanup_(close_directory) DIR *directory = NULL;
	struct dirent *entry;
	char path[300];
	int fd, pid;

	snprintf(path, sizeof(path), "%s/fd", process);
	if (sscanf(process, "%d", &pid) != 1)
		return;
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	directory = fd < 0 ? NULL : fdopendir(fd);
	if (!directory) {
		cleanup_close(&fd);
		return;
	}
	while (search->left && (entry = readdir(directory)))
		look_at(search, pid, dirfd(directory), entry->d_name);
}

static void keep_matched(struct sock_diag_sockets *sockets)
{
	size_t kept = 0;

	vec_foreach(sockets, socket) {
		if (socket->target != SOCK_DIAG_NO_TARGET)
			sockets->items[kept++] = *socket;
	}
	sockets->len = kept;
}

int socket_owner_match(const struct socket_owner_walk *walk, struct sock_diag_sockets *sockets)
{
	struct search search = {walk, sockets, sockets->len};
	_cleanup_(close_directory) DIR *proc = opendir("/proc");
	struct dirent *entry;
	int err = proc ? 0 : -errno;

	while (proc && search.left && (entry = readdir(proc))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			look_through(&search, dirfd(proc), entry->d_name);
	}
	keep_matched(sockets);
	return err;
}

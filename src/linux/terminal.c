/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal: a pty of the container's own devpts, its peer on 0, 1 and 2 and on /dev/console, its master sent out.
 *
 * The image controls the names below /dev, so nothing is trusted by name: the directory must be a devpts, ptmx must be
 * its node 5:2 without a mount on it, and the peer is had from the master itself (TIOCGPTPEER), never by
 * /dev/pts/N (CVE-2025-52565).  Runs after the pivot, before anything turns read-only.
 */
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

enum {
	TTYAUX_MAJOR = 5,
	PTMX_MINOR = 2,
	PTY_SLAVE_MAJOR = 136, /* since Linux 2.6 all of them: the minor has 20 bits */
	DEVPTS_PTMX_INODE = 2,
};

bool wants_terminal(const struct joey_setup *s)
{
	return s->process->terminal;
}

static int open_master(struct joey_setup *s, int *ret_fd, struct joey_err *err)
{
	autoclose int pts = -EBADF;
	autoclose int fd = -EBADF;
	struct stat st;
	int root = setup_root_fd(s, err);

	if (root < 0)
		return root;
	pts = joey_openat2(root, "dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
			   RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	if (pts < 0)
		return joey_err_sys(err, pts, "open /dev/pts");
	if (!fd_is_on(pts, DEVPTS_SUPER_MAGIC))
		return joey_err_set(err, JOEY_EK_CONFIG, ENODEV,
				    "/dev/pts is not a devpts: process.terminal needs one mounted there");
	/* Safe to open before it is looked at: a devpts holds kernel-made nodes only, and no mount is crossed. */
	fd = joey_openat2(pts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC, 0,
			  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	if (fd < 0)
		return joey_err_sys(err, fd, "open /dev/pts/ptmx");
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "stat /dev/pts/ptmx");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(TTYAUX_MAJOR, PTMX_MINOR) || st.st_ino != DEVPTS_PTMX_INODE ||
	    !fd_is_on(fd, DEVPTS_SUPER_MAGIC))
		return joey_err_set(err, JOEY_EK_OTHER, ENODEV, "/dev/pts/ptmx is not the multiplexer of a devpts");
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

static int open_peer(int master, int *ret_fd, struct joey_err *err)
{
	autoclose int fd = -EBADF;
	struct stat st;
	unsigned number;
	int unlock = 0;

	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return joey_err_sys(err, errno, "unlock the pty");
	if (ioctl(master, TIOCGPTN, &number) < 0)
		return joey_err_sys(err, errno, "ask for the pty's number");
	fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return joey_err_sys(err, errno, "open the pty's peer");
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "stat the pty's peer");
	if (!S_ISCHR(st.st_mode) || !fd_is_on(fd, DEVPTS_SUPER_MAGIC) || st.st_rdev != makedev(PTY_SLAVE_MAJOR, number))
		return joey_err_set(err, JOEY_EK_OTHER, ENODEV, "the pty's peer is not pty %u of a devpts", number);
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

static int set_size(int master, const struct joey_process *p, struct joey_err *err)
{
	struct winsize ws = { 0 };

	if (p->console_height == 0 || p->console_width == 0)
		return 0;
	ws.ws_row = p->console_height > UINT16_MAX ? UINT16_MAX : (unsigned short)p->console_height;
	ws.ws_col = p->console_width > UINT16_MAX ? UINT16_MAX : (unsigned short)p->console_width;
	if (ioctl(master, TIOCSWINSZ, &ws) < 0)
		return joey_err_sys(err, errno, "set the console size");
	return 0;
}

/* The mount point of /dev/console: made when missing, never opened (it may be any node an image ships). */
static int console_target(struct joey_setup *s, int *ret_fd, struct joey_err *err)
{
	autoclose int dev = -EBADF;
	autoclose int fd = -EBADF;
	struct stat st;

	dev = joey_openat2(s->root_fd, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
			   RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	if (dev < 0)
		return joey_err_sys(err, dev, "open /dev");
	fd = openat(dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		if (mknodat(dev, "console", S_IFREG | 0666, 0) < 0 && errno != EEXIST)
			return joey_err_sys(err, errno, "create /dev/console");
		fd = openat(dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return joey_err_sys(err, errno, "open /dev/console");
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "stat /dev/console");
	if (S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode))
		return joey_err_set(err, JOEY_EK_OTHER, ELOOP, "/dev/console is a symbolic link or a directory");
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

static int bind_console(struct joey_setup *s, int peer, struct joey_err *err)
{
	autoclose int target = -EBADF;
	autoclose int tree = -EBADF;
	int r = console_target(s, &target, err);

	if (r < 0)
		return r;
	tree = joey_sys_open_tree(peer, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return joey_err_sys(err, tree, "clone the pty for /dev/console");
	r = joey_sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	if (r < 0)
		return joey_err_sys(err, r, "mount the pty on /dev/console");
	return 0;
}

static int send_master(struct joey_setup *s, int master, struct joey_err *err)
{
	int *sock = s->console_sock >= 0 ? &s->console_sock : &s->pty_to_parent;
	int r;

	if (*sock < 0)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "no console socket to send the terminal to");
	r = joey_send_one_fd(*sock, "/dev/ptmx", master, err);
	/* A waiting init must not keep the engine's connection open. */
	*sock = joey_close(*sock);
	return r;
}

static int take_stdio(int peer, struct joey_err *err)
{
	for (int fd = 0; fd < 3; fd++)
		if (dup3(peer, fd, 0) < 0)
			return joey_err_sys(err, errno, "put the terminal on descriptor %d", fd);
	/* step_session has made us a session leader without a terminal */
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		return joey_err_sys(err, errno, "make the pty the controlling terminal");
	return 0;
}

/* A caller with closed 0..2 lets us have these numbers, and take_stdio() would overwrite what is there. */
static int move_above_stdio(int *fd, struct joey_err *err)
{
	int high;

	if (*fd > 2)
		return 0;
	high = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		return joey_err_sys(err, errno, "duplicate the terminal");
	joey_close(*fd);
	*fd = high;
	return 0;
}

int step_terminal(struct joey_setup *s, struct joey_err *err)
{
	autoclose int master = -EBADF;
	autoclose int peer = -EBADF;
	int r = open_master(s, &master, err);

	if (r == 0)
		r = move_above_stdio(&master, err);
	if (r == 0)
		r = open_peer(master, &peer, err);
	if (r == 0)
		r = move_above_stdio(&peer, err);
	if (r < 0)
		return r;
	r = set_size(master, s->process, err);
	if (r < 0)
		return r;
	if (!s->exec_only) {
		r = bind_console(s, peer, err);
		if (r < 0)
			return r;
	}
	r = send_master(s, master, err);
	if (r < 0)
		return r;
	return take_stdio(peer, err);
}

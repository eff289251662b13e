/* SPDX-License-Identifier: Apache-2.0 */
/* Identity and end of processes. A pid alone names nothing: it is reused; pid + start time does. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "joey/syscalls.h"
#include "joey/util.h"

enum { STAT_MAX = 4096 };

int joey_proc_stat(pid_t pid, uint64_t *ret_starttime, char *ret_state)
{
	char path[48], buf[1024], *p, *end;
	autoclose int fd = -EBADF;
	unsigned field;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	do
		n = read(fd, buf, sizeof(buf) - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf[n] = '\0';

	/* "pid (comm) S ...": comm is the process's own choice and may hold anything, so start at the last ')'. */
	p = strrchr(buf, ')');
	if (!p || p[1] != ' ' || !p[2])
		return -EPROTO;
	p += 2;
	if (ret_state)
		*ret_state = *p;
	for (field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EPROTO;
		p++;
	}
	end = strchr(p, ' ');
	if (!end)
		return -EPROTO;
	*end = '\0';
	return joey_parse_u64(p, ret_starttime);
}

int joey_wait_pid(pid_t pid, int *ret_wstatus)
{
	pid_t r;

	do
		r = waitpid(pid, ret_wstatus, 0);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* Old kernels and odd cgroup set-ups refuse CLONE_INTO_CGROUP: then the process is moved before it is let go. */
static bool refuses_into_cgroup(int r)
{
	return r == -EOPNOTSUPP || r == -EBUSY || r == -EINVAL || r == -E2BIG || r == -EACCES;
}

pid_t joey_clone_into(uint64_t flags, int cgroup_fd, int *ret_pidfd, bool *ret_moved)
{
	int pidfd = -1;
	struct clone_args args = { .flags = flags | CLONE_PIDFD,
				   .pidfd = (uint64_t)(uintptr_t)&pidfd,
				   .exit_signal = SIGCHLD };
	pid_t pid = -EOPNOTSUPP;

	*ret_moved = cgroup_fd >= 0;
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
		pid = joey_sys_clone3(&args);
	}
	if (cgroup_fd < 0 || refuses_into_cgroup(pid)) {
		args.flags &= ~CLONE_INTO_CGROUP;
		args.cgroup = 0;
		*ret_moved = false;
		pid = joey_sys_clone3(&args);
	}
	if (pid > 0)
		*ret_pidfd = pidfd;
	return pid;
}

pid_t joey_wait_peek(void)
{
	siginfo_t si;

	for (;;) {
		memset(&si, 0, sizeof(si));
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0)
			return si.si_pid;
		if (errno != EINTR)
			return -errno;
	}
}

void joey_signals_default(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			(void)sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The initial one has a fixed inode: PROC_USER_INIT_INO in the kernel's include/linux/proc_ns.h. */
bool joey_in_userns(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino != 0xEFFFFFFDU;
}

/* 0: none, or it has ended. */
static pid_t parent_of(pid_t pid, const char *comm, bool *ret_is)
{
	char path[32], text[128] = "", *end;
	autoclose int fd = -EBADF;
	uint32_t parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	end = strrchr(text, ')');
	if (!end || strlen(end) < strlen(") S 1"))
		return 0;
	*end = '\0';
	*ret_is = strchr(text, '(') && joey_streq(strchr(text, '(') + 1, comm);
	end += strlen(") S ");
	end[strcspn(end, " ")] = '\0';
	return joey_parse_u32(end, &parent) == 0 ? (pid_t)parent : 0;
}

pid_t joey_find_ancestor(const char *comm)
{
	/* once more, for one of them may have ended meanwhile */
	for (int tries = 0; tries < 3; tries++)
		for (pid_t pid = getppid(); pid > 1;) {
			bool is = false;
			pid_t parent = parent_of(pid, comm, &is);

			if (is)
				return pid;
			pid = parent;
		}
	return 0;
}

/* proc_pid_stat(5): fields 48 and 49 are where the arguments stand. */
static char *arguments(size_t *ret_size)
{
	autofree char *text = NULL;
	uint64_t range[2] = { 0, 0 };
	size_t len;
	char *p;

	if (joey_read_file_at(AT_FDCWD, "/proc/self/stat", 0, STAT_MAX, &text, &len) < 0)
		return NULL;
	p = strrchr(text, ')');
	for (int field = 2; p && field < 49; field++) {
		p = strchr(p + 1, ' ');
		if (p && field >= 47) {
			char *end = p + 1 + strcspn(p + 1, " \n"), was = *end;

			*end = '\0';
			if (joey_parse_u64(p + 1, &range[field - 47]) < 0)
				return NULL;
			*end = was;
		}
	}
	*ret_size = (size_t)(range[1] - range[0]);
	return range[0] && range[1] > range[0] ? (char *)(uintptr_t)range[0] : NULL;
}

/* Its last byte stays NUL: else proc(5) reads on into the environment. */
void joey_title_set(const char *name, const char *second)
{
	const char *const words[] = { name, second };
	size_t at = 0, size = 0;
	char *title = arguments(&size);

	if (!title)
		return;
	memset(title, 0, size);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(words); i++) {
		size_t n = words[i] ? strlen(words[i]) + 1 : 0;

		if (n > size - 1 - at)
			n = size - 1 - at;
		if (n)
			memcpy(title + at, words[i], n);
		at += n;
	}
}

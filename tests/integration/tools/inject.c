/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject [-o TRACE] [-f P:N=ERRNO] [-k P:N] [-K P:N] -- COMMAND: runs COMMAND under ptrace, follows its children until
 * each executes another program, and numbers every system call as P:N - P counts processes in the order they were
 * made (0 = COMMAND), N counts the calls of that process from 1.  That is the same from run to run as long as the
 * program is single-threaded, whatever the scheduler does.
 *   -o  writes "P N NAME RESULT" lines
 *   -f  that call is not carried out (but close is) and returns ERRNO
 *   -k  COMMAND itself is killed by SIGKILL when that call is about to be made
 *   -K  the process P is
 * Exits like COMMAND (128+signal), 124 after 25 s (everything traced is then killed).  When COMMAND ends, every other
 * process is let go, untraced and unharmed: a container stays where it was.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *name;
	long nr;
} names[] = {
#include "syscall-names.inc"
};

struct task {
	pid_t pid;
	int ordinal;
	unsigned count;
	int in_call, failing;
	long nr;
};

enum { MAX_TASKS = 256 };
static struct task tasks[MAX_TASKS];
static int n_tasks, next_ordinal;
static FILE *trace;
static int fail_p = -1, fail_errno, kill_p = -1, kill_own;
static unsigned fail_n, kill_n;
static pid_t main_pid;
static volatile sig_atomic_t timed_out;

static const char *name_of(long nr)
{
	static char buf[32];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].nr == nr)
			return names[i].name;
	snprintf(buf, sizeof buf, "#%ld", nr);
	return buf;
}

static struct task *task_of(pid_t pid)
{
	for (int i = 0; i < n_tasks; i++)
		if (tasks[i].pid == pid)
			return &tasks[i];
	if (n_tasks == MAX_TASKS)
		exit(125);
	tasks[n_tasks] = (struct task){ .pid = pid, .ordinal = next_ordinal++ };
	return &tasks[n_tasks++];
}

static void forget(pid_t pid)
{
	for (int i = 0; i < n_tasks; i++)
		if (tasks[i].pid == pid)
			tasks[i] = tasks[--n_tasks];
}

static void skip_call(pid_t pid)
{
#if defined(__x86_64__)
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L);
#elif defined(__aarch64__)
	int nr = -1;
	struct iovec iov = { &nr, sizeof nr };
	ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &iov);
#else
#error "teach skip_call this machine"
#endif
}

static void set_result(pid_t pid, long value)
{
#if defined(__x86_64__)
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), value);
#elif defined(__aarch64__)
	struct user_regs_struct r;
	struct iovec iov = { &r, sizeof r };
	ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov);
	r.regs[0] = (unsigned long)value;
	ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov);
#endif
}

/* Returns 1 when tracing is over (main was killed on purpose). */
static int on_syscall_stop(struct task *t)
{
	struct __ptrace_syscall_info si;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof si, &si) <= 0)
		return 0;
	if (si.op == PTRACE_SYSCALL_INFO_ENTRY) {
		t->in_call = 1;
		t->nr = (long)si.entry.nr;
		t->count++;
		if (t->ordinal == fail_p && t->count == fail_n) {
			t->failing = 1;
			/* Linux gives the descriptor back even when close(2) fails: carried out, then a lie. */
			if (t->nr != SYS_close)
				skip_call(t->pid);
		}
		if (t->ordinal == kill_p && t->count == kill_n) {
			if (trace)
				fprintf(trace, "%d %u %s killed\n", t->ordinal, t->count, name_of(t->nr));
			kill(kill_own ? t->pid : main_pid, SIGKILL);
			return !kill_own;
		}
	} else if (si.op == PTRACE_SYSCALL_INFO_EXIT && t->in_call) {
		t->in_call = 0;
		if (t->failing) {
			t->failing = 0;
			set_result(t->pid, -fail_errno);
		}
		/* Interrupted by let_go(): a wait that outlives COMMAND is no call of its. */
		if (trace && si.exit.rval != -512 /* ERESTARTSYS */)
			fprintf(trace, "%d %u %s %lld\n", t->ordinal, t->count, name_of(t->nr),
				(long long)si.exit.rval);
	}
	return 0;
}

static int main_status(int st)
{
	if (trace)
		fclose(trace);
	return timed_out ? 124 : WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

static void on_alarm(int s)
{
	(void)s;
	timed_out = 1;
	for (int i = 0; i < n_tasks; i++)
		kill(tasks[i].pid, SIGKILL);
}

static void parse_at(char *s, int *p, unsigned *n, int *e)
{
	char *end;
	*p = (int)strtol(s, &end, 10);
	*n = (unsigned)strtoul(end + 1, &end, 10);
	if (e)
		*e = (int)strtol(end + 1, NULL, 10);
}

/* What happens to a traced process when its tracer just ends depends on where it is stopped at that moment. */
static void let_go(void)
{
	for (int i = 0; i < n_tasks; i++) {
		struct task *t = &tasks[i];
		int st, sig = 0;
		if (t->pid == main_pid || ptrace(PTRACE_INTERRUPT, t->pid, 0, 0) < 0)
			continue;
		while (waitpid(t->pid, &st, __WALL) < 0 && errno == EINTR)
			;
		if (!WIFSTOPPED(st))
			continue;
		if (WSTOPSIG(st) == (SIGTRAP | 0x80))
			on_syscall_stop(t);
		else if (st >> 16 == 0)
			sig = WSTOPSIG(st);
		ptrace(PTRACE_DETACH, t->pid, 0, (void *)(intptr_t)sig);
	}
}

static int loop(void)
{
	for (;;) {
		int st, sig = 0, request = PTRACE_SYSCALL;
		pid_t pid = waitpid(-1, &st, __WALL);
		if (pid < 0) {
			if (errno == EINTR)
				continue;
			return 126;
		}
		if (WIFEXITED(st) || WIFSIGNALED(st)) {
			if (pid == main_pid) {
				let_go();
				return main_status(st);
			}
			forget(pid);
			continue;
		}
		struct task *t = task_of(pid);
		int event = st >> 16;
		sig = WSTOPSIG(st);
		if (sig == (SIGTRAP | 0x80)) {
			sig = 0;
			if (on_syscall_stop(t)) {
				while (waitpid(main_pid, &st, __WALL) < 0 && errno == EINTR)
					;
				while (!WIFEXITED(st) && !WIFSIGNALED(st))
					if (waitpid(main_pid, &st, __WALL) < 0 && errno != EINTR)
						break;
				return main_status(st);
			}
		} else if (event == PTRACE_EVENT_STOP) {
			if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
				request = PTRACE_LISTEN;
			sig = 0;
		} else if (event == PTRACE_EVENT_EXEC) {
			sig = 0;
			if (pid != main_pid) {
				if (trace)
					fprintf(trace, "%d %u execve done\n", t->ordinal, t->count);
				forget(pid);
				ptrace(PTRACE_DETACH, pid, 0, 0);
				continue;
			}
		} else if (event) {
			unsigned long child = 0;
			sig = 0;
			if (ptrace(PTRACE_GETEVENTMSG, pid, 0, &child) == 0 && child)
				task_of((pid_t)child);
		}
		ptrace(request, pid, 0, (void *)(intptr_t)sig);
	}
}

int main(int argc, char **argv)
{
	int o, go[2];
	while ((o = getopt(argc, argv, "+o:f:k:K:")) != -1) {
		if (o == 'o')
			trace = fopen(optarg, "we");
		else if (o == 'f')
			parse_at(optarg, &fail_p, &fail_n, &fail_errno);
		else if (o == 'k' || o == 'K')
			parse_at(optarg, &kill_p, &kill_n, NULL), kill_own = o == 'K';
		else
			return 125;
	}
	if (pipe2(go, O_CLOEXEC) < 0)
		return 125;
	main_pid = fork();
	if (main_pid == 0) {
		char c;
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(125);
		execvp(argv[optind], argv + optind);
		_exit(125);
	}
	task_of(main_pid);
	if (ptrace(PTRACE_SEIZE, main_pid, 0,
		   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
			   PTRACE_O_TRACEEXEC) < 0) {
		perror("inject: ptrace");
		kill(main_pid, SIGKILL);
		return 125;
	}
	struct sigaction sa = { .sa_handler = on_alarm };
	sigaction(SIGALRM, &sa, NULL);
	alarm(25);
	if (write(go[1], "x", 1) != 1)
		return 125;
	return loop();
}

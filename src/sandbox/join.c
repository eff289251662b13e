/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces that a config names by path, as the guest is to understand them.  The path is the host's and is opened and
 * proved here; the guest hears whose namespace it is there: that of another container of the same machine (the path is
 * that of its proxy), or one of a group, for all who name the same namespace of the host (CRI-O pins them).  What is
 * neither is a new namespace, as ever: the host's own are not the guest's.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "joey/json.h"
#include "joey/namespace.h"
#include "sandbox/sandbox-internal.h"

static bool is_shared(enum joey_ns ns)
{
	return ns == JOEY_NS_IPC || ns == JOEY_NS_UTS || ns == JOEY_NS_PID || ns == JOEY_NS_USER;
}

/* /proc/PID/ns/ipc; 0: another path */
static pid_t pid_in(const char *path)
{
	static const char proc[] = "/proc/";
	char text[16];
	uint32_t pid;
	size_t n;

	if (!joey_startswith(path, proc))
		return 0;
	path += strlen(proc);
	n = strcspn(path, "/");
	if (n >= sizeof(text) || !joey_startswith(path + n, "/ns/"))
		return 0;
	memcpy(text, path, n);
	text[n] = '\0';
	return joey_parse_u32(text, &pid) == 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* One that has ended and is not reaped still has a pid namespace to open; the guest has not. */
static int check_one(int root_fd, const char *id, const char *sandbox, pid_t pid, uint32_t *ret, struct joey_err *err)
{
	autocontainer struct joey_container *c = NULL;
	uint64_t start = 0;
	struct vm_data d;

	if (joey_container_load(root_fd, id, false, &c, NULL) < 0 || c->state.pid != pid ||
	    joey_proc_stat(pid, &start, NULL) < 0 || start != c->state.pid_start || data_load(c, &d, NULL) < 0 ||
	    !joey_streq(d.sandbox, sandbox))
		return 0;
	if (!joey_init_is_alive(&c->state))
		return joey_err_set(err, JOEY_EK_STATE, ESRCH,
				    "container %s, whose namespace is to be joined, has ended", id);
	*ret = d.handle;
	return 0;
}

/* The handle of the container in this machine whose proxy it is; 0: none. */
static int find_handle(const struct joey_container *c, const char *sandbox, pid_t pid, uint32_t *ret,
		       struct joey_err *err)
{
	char **ids = NULL;
	size_t n = 0;
	int r = pid == 0 ? 0 : joey_container_list(c->root_fd, &ids, &n, err);

	*ret = 0;
	for (size_t i = 0; i < n; i++) {
		if (r == 0 && *ret == 0 && !joey_streq(ids[i], c->id))
			r = check_one(c->root_fd, ids[i], sandbox, pid, ret, err);
		free(ids[i]);
	}
	free(ids);
	return r;
}

/* What whoever made the namespace has set there.  In a child: joey stays where it is. */
static void write_host_name(struct joey_json_out *o, int fd)
{
	char name[65] = "";
	int fds[2], wstatus;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
		if (setns(fd, CLONE_NEWUTS) < 0 || gethostname(name, sizeof(name) - 1) < 0 ||
		    joey_write_all(fds[1], name, strlen(name)) < 0)
			_exit(1);
		_exit(0);
	}
	joey_close(fds[1]);
	n = pid < 0 ? 0 : read(fds[0], name, sizeof(name) - 1);
	joey_close(fds[0]);
	if (pid > 0)
		(void)joey_wait_pid(pid, &wstatus);
	if (n > 0) {
		name[n] = '\0';
		joey_json_out_string(o, "hostname", name);
	}
}

static void write_entry(struct joey_json_out *o, enum joey_ns ns, uint32_t handle, const struct stat *st, int fd)
{
	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "type", joey_ns_table[ns].oci_name);
	if (handle) {
		joey_json_out_u64(o, "of", handle);
	} else {
		joey_json_out_u64(o, "group", st->st_ino);
		if (ns == JOEY_NS_UTS)
			write_host_name(o, fd);
	}
	joey_json_out_end(o);
}

static int write_all(const struct joey_container *c, const char *sandbox, const struct joey_config *config,
		     const int fds[JOEY_NS_MAX], struct joey_json_out *o, struct joey_err *err)
{
	for (unsigned i = 0; i < JOEY_NS_MAX; i++) {
		enum joey_ns ns = (enum joey_ns)i;
		uint32_t handle;
		bool other = false;
		struct stat st;
		int r;

		if (fds[i] < 0 || !is_shared(ns) || fstat(fds[i], &st) < 0)
			continue;
		r = find_handle(c, sandbox, pid_in(config->ns[i].path), &handle, err);
		if (r < 0)
			return r;
		/* one process's namespace is not to be found in the guest by a number of the host */
		if (handle == 0 && (ns == JOEY_NS_PID || ns == JOEY_NS_USER))
			continue;
		if (handle || (joey_ns_is_other(fds[i], ns, &other) == 0 && other))
			write_entry(o, ns, handle, &st, fds[i]);
	}
	return 0;
}

static bool has_paths(const struct joey_config *config)
{
	for (unsigned i = 0; i < JOEY_NS_MAX; i++)
		if (is_shared((enum joey_ns)i) && config->ns[i].present && config->ns[i].path)
			return true;
	return false;
}

int join_write(const struct joey_container *c, const char *sandbox, const struct joey_config *config,
	       struct joey_json_out *o, struct joey_err *err)
{
	int fds[JOEY_NS_MAX], r;

	if (!has_paths(config))
		return 0;
	r = joey_ns_open_paths(config, fds, err);
	if (r < 0)
		return r;
	joey_json_out_array(o, "join");
	r = write_all(c, sandbox, config, fds, o, err);
	joey_json_out_end(o);
	for (unsigned i = 0; i < JOEY_NS_MAX; i++)
		joey_close(fds[i]);
	return r;
}

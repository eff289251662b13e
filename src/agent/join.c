/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces that containers of one machine share, as the host's "join" says: that of another container's first
 * process, or one of a group, which is made when the first of the group comes and kept until the machine ends.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "agent/agent-internal.h"
#include "joey/json.h"
#include "joey/namespace.h"

static int parse_one(struct agent_job *j, const struct joey_json *o, struct joey_err *err)
{
	const char *type = joey_json_get_string(o, "type");
	struct agent_join join = { .hostname = joey_json_get_string(o, "hostname") };
	unsigned ns = 0;
	uint64_t of = 0;

	while (ns < JOEY_NS_MAX && !joey_streq(type, joey_ns_table[ns].oci_name))
		ns++;
	if (ns == JOEY_NS_MAX || j->n_joins == JOEY_ARRAY_SIZE(j->joins))
		return agent_request_bad(err, "join");
	join.ns = (enum joey_ns)ns;
	if (joey_json_get_u64(o, "of", &of) == 0 && of > 0 && of <= UINT32_MAX)
		join.of = (uint32_t)of;
	else if (joey_json_get_u64(o, "group", &join.group) < 0 || (ns != JOEY_NS_IPC && ns != JOEY_NS_UTS))
		return agent_request_bad(err, "join");
	j->joins[j->n_joins++] = join;
	return 0;
}

int agent_join_parse(struct agent_job *j, struct joey_err *err)
{
	return agent_request_each(j, "join", parse_one, err);
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

static const struct agent_group *find_group(const struct agent *a, const struct agent_join *join)
{
	for (size_t i = 0; i < a->n_groups; i++)
		if (a->groups[i].ns == join->ns && a->groups[i].key == join->group)
			return &a->groups[i];
	return NULL;
}

/* The agent has one thread: it goes into the new namespace and comes back. */
static int make_namespace(const struct agent_join *join, int *ret, struct joey_err *err)
{
	const struct joey_ns_info *info = &joey_ns_table[join->ns];
	autoclose int own = -EBADF, fd = -EBADF;
	char path[32];
	int r = 0;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", info->proc_name);
	own = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || unshare((int)info->clone_flag) < 0)
		return joey_err_sys(err, errno, "make a %s namespace", info->oci_name);
	if (join->ns == JOEY_NS_UTS && join->hostname && sethostname(join->hostname, strlen(join->hostname)) < 0)
		r = joey_err_sys(err, errno, "set the host name");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r == 0 && fd < 0)
		r = joey_err_sys(err, errno, "open the new %s namespace", info->oci_name);
	if (setns(own, (int)info->clone_flag) < 0)
		return joey_err_sys(err, errno, "leave the new %s namespace", info->oci_name);
	if (r == 0)
		*ret = joey_take_fd(&fd);
	return r;
}

int agent_join_prepare(struct agent *a, const struct agent_job *j, struct joey_err *err)
{
	for (size_t i = 0; i < j->n_joins; i++) {
		const struct agent_join *join = &j->joins[i];
		struct agent_group *g = &a->groups[a->n_groups];
		int fd = -EBADF, r;

		if (join->of || find_group(a, join))
			continue;
		if (a->n_groups == JOEY_ARRAY_SIZE(a->groups))
			return joey_err_set(err, JOEY_EK_OTHER, ENOSPC, "guest: too many shared namespaces");
		r = make_namespace(join, &fd, err);
		if (r < 0)
			return r;
		*g = (struct agent_group){ .ns = join->ns, .key = join->group, .fd = fd };
		a->n_groups++;
	}
	return 0;
}

void agent_join_done(struct agent *a)
{
	while (a->n_groups > 0)
		joey_close(a->groups[--a->n_groups].fd);
}

/* ---- in the worker ----------------------------------------------------------------------------------------------- */

static pid_t first_process(const struct agent *a, uint32_t handle)
{
	for (const struct agent_proc *p = a->procs; p; p = p->next)
		if (p->handle == handle && p->container == handle && p->state == AGENT_LIVE)
			return p->pid;
	return 0;
}

int agent_join_paths(const struct agent *a, const struct agent_job *j, struct agent_adapt *ret, struct joey_err *err)
{
	for (size_t i = 0; i < j->n_joins; i++) {
		const struct agent_join *join = &j->joins[i];
		const struct joey_ns_info *info = &joey_ns_table[join->ns];
		const struct agent_group *g = join->of ? NULL : find_group(a, join);
		pid_t pid = join->of ? first_process(a, join->of) : getppid();
		char *path = ret->ns_path[join->ns];

		if (pid == 0 || (!join->of && !g))
			return joey_err_set(err, JOEY_EK_STATE, ESRCH,
					    "the container whose %s namespace is to be joined has ended",
					    info->oci_name);
		/* our parent's descriptor: those of its own that a worker is born with are closed */
		if (g)
			snprintf(path, sizeof(ret->ns_path[0]), "/proc/%d/fd/%d", (int)pid, g->fd);
		else
			snprintf(path, sizeof(ret->ns_path[0]), "/proc/%d/ns/%s", (int)pid, info->proc_name);
	}
	return 0;
}

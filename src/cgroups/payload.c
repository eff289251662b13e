/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crun's annotations on cgroups.  run.oci.delegate-cgroup: the processes are in a cgroup of their own below the
 * container's, which is the payload's to manage; limits stay with the container's.
 *
 * Init moves there when it has its cgroup namespace, whose root thus is the container's cgroup.  Only then is that
 * without processes, and can hand controllers down.
 */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "cgroups/cgroups-internal.h"
#include "joey/log.h"

int cgroup_annotation_name(const struct joey_pairs *annotations, const char *key, char **ret, struct joey_err *err)
{
	const char *value = joey_pairs_get(annotations, key), *name;
	size_t len;

	*ret = NULL;
	if (!value || !*value)
		return 0;
	name = value + strspn(value, "/");
	len = strlen(name);
	/* The kernel's files are called "controller.what"; a newline would forge lines of /proc/PID/cgroup. */
	if (len == 0 || len > NAME_MAX || strpbrk(name, "/\n") || name[0] == '.' || strncmp(name, "cgroup.", 7) == 0)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "annotation %s: \"%.300s\" is not the name of a cgroup: one component is expected",
				    key, value);
	*ret = strdup(name);
	return *ret ? 0 : joey_err_sys(err, ENOMEM, "annotation %s", key);
}

int joey_cgroup_annotate(struct joey_cgroup *cg, const struct joey_pairs *annotations, struct joey_err *err)
{
	const char *v1 = joey_pairs_get(annotations, CGROUP_A_FORCE_V1);
	int r;

	if (v1 && *v1)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
				    "annotation " CGROUP_A_FORCE_V1 ": cgroup v1 is not supported");
	r = cgroup_annotation_name(annotations, CGROUP_A_PAYLOAD, &cg->payload, err);
	if (r == 0 && cg->payload && cg->kind == JOEY_CGROUP_DISABLED)
		r = joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
				 "annotation " CGROUP_A_PAYLOAD ": the container has no cgroup");
	return r == 0 && cg->driver && cg->driver->annotate ? cg->driver->annotate(cg, annotations, err) : r;
}

int joey_cgroup_enter_payload(struct joey_cgroup *cg, pid_t pid, uid_t uid, struct joey_err *err)
{
	autoclose int fd = -EBADF;
	char text[16];
	int r;

	if (!cg->payload)
		return 0;
	if (cg->dir_fd < 0)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
				    "annotation " CGROUP_A_PAYLOAD ": the container has no cgroup");
	if (mkdirat(cg->dir_fd, cg->payload, 0755) < 0 && (errno != EEXIST || cg->created))
		return joey_err_sys(err, errno, "cgroup: mkdir %s in %s%s", cg->payload, cg->mount, cgroup_name(cg));
	fd = cgroup_opendir_at(cg->dir_fd, cg->payload, O_PATH);
	if (fd < 0)
		return joey_err_sys(err, fd, "cgroup: open %s in %s%s", cg->payload, cg->mount, cgroup_name(cg));
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	r = cgroup_write(fd, "cgroup.procs", text);
	if (r < 0)
		return joey_err_sys(err, r, "cgroup: add process %d to %s in %s%s", (int)pid, cg->payload, cg->mount,
				    cgroup_name(cg));
	r = cgroup_controllers_hand_down(cg->dir_fd);
	if (r < 0)
		joey_debug("cgroup: hand controllers of %s down to %s: %s", cgroup_name(cg), cg->payload,
			   joey_errno_text(r));
	return cgroup_delegate(fd, cg->payload, uid, err);
}

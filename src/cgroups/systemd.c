/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd driver: the container's cgroup is a scope (or a slice) of systemd's, made by one conversation.
 *
 * systemd makes a scope only around a process.  That is joey-sd-bus itself: it stays in the scope until init has
 * been cloned into the cgroup and limits are to be written, then it is ended; so init is born in its cgroup here
 * as well.  If joey or the program dies before, the scope is empty, and systemd takes it away.
 *
 * The path is known before anything is made, as the state file needs it.  Afterwards it must be what systemd says
 * and, whatever systemd says, it must hold our own child and nobody else: no foreign cgroup is ever limited, killed
 * or removed.
 */
#include <string.h>
#include <sys/stat.h>

#include "cgroups/systemd-internal.h"
#include "joey/gvariant.h"
#include "joey/log.h"
#include "joey/sdbus.h"

#define COLLECT_WAIT_MS 128 /* how long systemd gets to notice by itself that a scope is empty */

struct cgroup_systemd {
	struct cgroup_sd_unit name;
	char *unit_path; /* of the unit, where the container's cgroup is one below it; NULL: it is the unit's */
	struct cgroup_sd_client client;
	struct joey_str annotations;
	char *id;
	bool user;
	uid_t uid;
	bool fresh; /* made by this process, the client still holds it */
};

static void systemd_done(struct joey_cgroup *cg)
{
	struct cgroup_systemd *sd = cg->sd;

	if (!sd)
		return;
	cgroup_sd_client_done(&sd->client);
	cgroup_sd_unit_done(&sd->name);
	joey_str_done(&sd->annotations);
	free(sd->unit_path);
	free(sd->id);
	free(sd);
	cg->sd = NULL;
}

static int new_systemd(struct joey_cgroup *cg, struct joey_err *err)
{
	cg->sd = calloc(1, sizeof(*cg->sd));
	if (!cg->sd)
		return joey_err_sys(err, ENOMEM, "cgroup: prepare");
	cg->sd->client = (struct cgroup_sd_client)CGROUP_SD_CLIENT_INIT;
	return 0;
}

/* ---- where --------------------------------------------------------------------------------------------- */

/* The user as the host knows him: in a user namespace, root is somebody else outside. */
static int host_uid(uid_t *ret, struct joey_err *err)
{
	autofree char *text = NULL;
	uint32_t n[3] = { 0 };
	unsigned have = 0;
	char *p, *word;
	int r = joey_read_file_at(AT_FDCWD, "/proc/self/uid_map", 0, CGROUP_FILE_MAX, &text, NULL);

	if (r < 0)
		return joey_err_sys(err, r, "systemd: read /proc/self/uid_map");
	/* three numbers a line: inside, outside, count */
	p = text;
	while ((word = strsep(&p, " \n")) != NULL) {
		if (!*word || joey_parse_u32(word, &n[have]) < 0 || ++have < 3)
			continue;
		have = 0;
		if (geteuid() >= n[0] && geteuid() - n[0] < n[2]) {
			*ret = n[1] + (geteuid() - n[0]);
			return 0;
		}
	}
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOENT, "systemd: the user %u has no number outside", geteuid());
}

/* The system's manager is at the root of the tree; a user's has a place that only it knows. */
static int manager_cgroup(struct cgroup_systemd *sd, char **ret, struct joey_err *err)
{
	static const char request[] = "where";
	autofree char *clean = NULL;
	int r;

	if (!sd->user) {
		*ret = strdup("");
		return *ret ? 0 : joey_err_sys(err, ENOMEM, "cgroup: prepare");
	}
	r = cgroup_sd_client_start(&sd->client, true, sd->uid, err);
	if (r == 0)
		r = cgroup_sd_client_ask(&sd->client, request, strlen(request), ret, err);
	if (r < 0)
		return r;
	r = cgroup_path_clean(*ret, &clean);
	if (r < 0 || strcmp(clean, *ret) != 0) {
		free(*ret);
		*ret = NULL;
		return joey_err_set(err, JOEY_EK_OTHER, EBADMSG,
				    "systemd: the manager of user %u names no cgroup of its own", (unsigned)sd->uid);
	}
	return 0;
}

static int systemd_locate(struct joey_cgroup *cg, const char *cgroups_path, const char *id, struct joey_err *err)
{
	autofree char *manager = NULL;
	int r = new_systemd(cg, err);

	if (r < 0)
		return r;
	cg->sd->user = cg->rootless;
	cg->sd->id = strdup(id);
	if (!cg->sd->id)
		return joey_err_sys(err, ENOMEM, "cgroup: prepare");
	r = cgroup_sd_unit_parse(cgroups_path, id, cg->rootless, &cg->sd->name, err);
	if (r == 0 && cg->rootless)
		r = host_uid(&cg->sd->uid, err);
	if (r == 0)
		r = manager_cgroup(cg->sd, &manager, err);
	return r < 0 ? r : cgroup_sd_unit_path(&cg->sd->name, manager, &cg->path, err);
}

static const char *unit_path(const struct joey_cgroup *cg)
{
	return cg->sd->unit_path ? cg->sd->unit_path : cg->path;
}

/* crun's annotation: the container's cgroup, limits included, is one below the scope. */
static int take_subgroup(struct joey_cgroup *cg, const char *name, struct joey_err *err)
{
	struct cgroup_systemd *sd = cg->sd;
	char *path = NULL;

	if (sd->name.is_slice)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "annotation " CGROUP_A_SUBGROUP ": %s is a slice, and only a scope can have one",
				    sd->name.unit);
	if (asprintf(&path, "%s/%s", cg->path, name) < 0)
		return joey_err_sys(err, ENOMEM, "cgroup: prepare");
	sd->unit_path = cg->path;
	cg->path = path;
	cg->dir_fd = joey_close(cg->dir_fd);
	cg->inode = 0;
	cg->created = true;
	return 0;
}

static int systemd_annotate(struct joey_cgroup *cg, const struct joey_pairs *annotations, struct joey_err *err)
{
	autofree char *subgroup = NULL;
	int r = cgroup_sd_props_annotations(annotations, &cg->sd->annotations, err);

	if (r == 0)
		r = cgroup_annotation_name(annotations, CGROUP_A_SUBGROUP, &subgroup, err);
	return r < 0 || !subgroup ? r : take_subgroup(cg, subgroup, err);
}

/* ---- create -------------------------------------------------------------------------------------------- */

static void put_identity(const struct cgroup_systemd *sd, struct joey_str *s)
{
	joey_str_add(s, "Description=");
	{
		autostr struct joey_str text = JOEY_STR_INIT;

		joey_str_printf(&text, "joey container %s", sd->id);
		joey_gv_add_string(s, text.buf ? text.buf : "");
		s->failed |= text.failed;
	}
	joey_str_add(s, "\n");
	if (sd->name.is_slice) {
		if (strcmp(sd->name.slice, "-.slice") != 0)
			joey_str_printf(s, "Wants=['%s']\n", sd->name.slice);
	} else {
		joey_str_printf(s, "Slice='%s'\nDelegate=true\nPIDs=[uint32 0]\n", sd->name.slice);
	}
	joey_str_add(s, "DefaultDependencies=false\nCollectMode='inactive-or-failed'\n"
			"MemoryAccounting=true\nCPUAccounting=true\nIOAccounting=true\nTasksAccounting=true\n");
}

static int make_request(const struct cgroup_systemd *sd, const struct joey_resources *res, struct joey_str *s,
			struct joey_err *err)
{
	int r = 0;

	joey_str_printf(s, "start %s\n", sd->name.unit);
	put_identity(sd, s);
	if (!sd->user) /* a user's manager may not load device programs */
		r = cgroup_sd_props_devices(res, s, err);
	if (r == 0)
		r = cgroup_sd_props_limits(res, true, s, err);
	if (r < 0)
		return r;
	if (sd->annotations.len)
		joey_str_add(s, sd->annotations.buf);
	return s->failed ? joey_err_sys(err, ENOMEM, "systemd: start %s", sd->name.unit) : 0;
}

/* The kernel's word on it: our child is in there, alone; a slice is empty. */
static int check_ours(struct joey_cgroup *cg, struct joey_err *err)
{
	struct cgroup_systemd *sd = cg->sd;
	autofree pid_t *pids = NULL;
	size_t n = 0;
	int r = joey_cgroup_pids(cg, &pids, &n, err);

	if (r < 0)
		return r;
	if (sd->name.is_slice ? n == 0 : n == 1 && pids[0] == sd->client.pid)
		return 0;
	return joey_err_set(
		err, JOEY_EK_OTHER, EBUSY,
		"systemd: %s%s, said to be the cgroup of %s, holds %zu process(es), but not just the one that "
		"%s was started with",
		cg->mount, unit_path(cg), sd->name.unit, n, sd->name.unit);
}

static int open_dir(struct joey_cgroup *cg, int at, const char *name, const char *path, struct joey_err *err)
{
	struct stat st;
	int r = cgroup_opendir_at(at, name, O_PATH);

	if (r < 0)
		return joey_err_sys(err, r, "systemd: %s was started, but cannot open %s%s", cg->sd->name.unit,
				    cg->mount, path);
	joey_close(cg->dir_fd);
	cg->dir_fd = r;
	if (fstat(cg->dir_fd, &st) < 0)
		return joey_err_sys(err, errno, "cgroup: stat %s%s", cg->mount, path);
	cg->inode = st.st_ino;
	return 0;
}

/* Controllers can be handed down only when no process is left in the scope itself: our child comes along. */
static int enter_subgroup(struct joey_cgroup *cg, struct joey_err *err)
{
	char text[16];
	int r;

	cg->parent_fd = joey_take_fd(&cg->dir_fd);
	if (mkdirat(cg->parent_fd, cgroup_leaf(cg), 0755) < 0)
		return joey_err_sys(err, errno, "cgroup: mkdir %s%s", cg->mount, cg->path);
	r = open_dir(cg, cg->parent_fd, cgroup_leaf(cg), cg->path, err);
	if (r < 0)
		return r;
	(void)snprintf(text, sizeof(text), "%d", (int)cg->sd->client.pid);
	r = cgroup_write(cg->dir_fd, "cgroup.procs", text);
	return r < 0 ? joey_err_sys(err, r, "cgroup: move " JOEY_SDBUS_PROGRAM " to %s%s", cg->mount, cg->path) : 0;
}

static int open_made(struct joey_cgroup *cg, const char *said, struct joey_err *err)
{
	const char *path = unit_path(cg);
	int r;

	if (strcmp(said, path) != 0)
		return joey_err_set(err, JOEY_EK_OTHER, EBADMSG,
				    "systemd: %s was put at \"%.500s\", not at %s where it belongs", cg->sd->name.unit,
				    said, path);
	r = open_dir(cg, cg->mnt_fd, path + 1, path, err);
	if (r == 0)
		r = check_ours(cg, err);
	return r < 0 || !cg->sd->unit_path ? r : enter_subgroup(cg, err);
}

static int start_unit(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err)
{
	autostr struct joey_str request = JOEY_STR_INIT;
	autofree char *said = NULL;
	struct cgroup_systemd *sd = cg->sd;
	int r = make_request(sd, res, &request, err);

	if (r == 0)
		r = cgroup_sd_client_start(&sd->client, sd->user, sd->uid, err);
	if (r == 0)
		r = cgroup_sd_client_ask(&sd->client, request.buf, request.len, &said, err);
	return r < 0 ? r : open_made(cg, said, err);
}

static int systemd_create(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err)
{
	struct cgroup_systemd *sd = cg->sd;
	int r = cgroup_controllers_check(cg, res, err);

	if (r < 0)
		return r;
	/* A slice that is there is shared with whoever made it. */
	if (!sd->name.is_slice || cg->dir_fd < 0) {
		r = start_unit(cg, res, err);
		cg->created = r == 0;
		sd->fresh = r == 0;
	}
	if (r == 0)
		r = cgroup_controllers_enable(cg, res, err);
	if (r < 0) {
		/* A scope without its only process is taken away by systemd. */
		cgroup_sd_client_done(&sd->client);
		cg->dir_fd = joey_close(cg->dir_fd);
		cg->inode = 0;
		cg->created = sd->fresh = false;
	}
	return r;
}

/* ---- afterwards ---------------------------------------------------------------------------------------- */

/* The object of a later call knows the path only. */
static int from_path(struct joey_cgroup *cg, struct joey_err *err)
{
	size_t len = cgroup_sd_unit_in_path(cg->path);
	struct cgroup_systemd *sd;
	int r;

	if (cg->sd)
		return 0;
	r = new_systemd(cg, err);
	if (r < 0)
		return r;
	sd = cg->sd;
	sd->user = cgroup_sd_user_of_path(cg->path, &sd->uid) == 0;
	if (cg->path[len]) {
		sd->unit_path = strndup(cg->path, len);
		if (!sd->unit_path)
			return joey_err_sys(err, ENOMEM, "cgroup: open");
	}
	sd->name.unit = strdup(strrchr(unit_path(cg), '/') + 1);
	return sd->name.unit ? 0 : joey_err_sys(err, ENOMEM, "cgroup: open");
}

static int set_props(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	struct cgroup_systemd *sd = cg->sd;
	size_t head;
	int r;

	joey_str_printf(&s, "set %s\n", sd->name.unit);
	head = s.len;
	r = cgroup_sd_props_limits(res, false, &s, err);
	if (r < 0 || s.len == head)
		return r;
	r = cgroup_sd_client_start(&sd->client, sd->user, sd->uid, err);
	return r < 0 ? r : cgroup_sd_client_ask(&sd->client, s.buf, s.len, NULL, err);
}

/*
 * A process may be moved by who may write to the cgroup that both places have in common.  For a user in a session of
 * his own (/user.slice/user-5.slice/session-1.scope) and the scopes of his manager that is root's: systemd can.
 */
static int systemd_add(struct joey_cgroup *cg, pid_t pid, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	autofree pid_t *pids = NULL;
	struct cgroup_systemd *sd;
	size_t n = 0, i;
	int r = from_path(cg, err);

	if (r < 0)
		return r;
	sd = cg->sd;
	joey_str_printf(&s, "attach %s\n%d", sd->name.unit, (int)pid);
	if (sd->unit_path)
		joey_str_printf(&s, "\n/%s", cgroup_leaf(cg));
	if (s.failed)
		return joey_err_sys(err, ENOMEM, "systemd: add process %d", (int)pid);
	r = cgroup_sd_client_start(&sd->client, sd->user, sd->uid, err);
	if (r == 0)
		r = cgroup_sd_client_ask(&sd->client, s.buf, s.len, NULL, err);
	if (r == 0)
		r = joey_cgroup_pids(cg, &pids, &n, err);
	if (r < 0)
		return r;
	for (i = 0; i < n; i++)
		if (pids[i] == pid)
			return 0;
	return joey_err_set(err, JOEY_EK_OTHER, EBADMSG, "systemd: process %d was said to be in %s, but is not",
			    (int)pid, cgroup_name(cg));
}

/* At create systemd has been told everything but the number of tasks, where that is small; and now init is in. */
static int systemd_announce(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err)
{
	struct joey_resources tasks = { .pids_limit = res->pids_limit };
	int r = from_path(cg, err);

	if (r < 0)
		return r;
	if (!cg->sd->fresh)
		r = set_props(cg, res, err);
	else if (res->pids_limit.set && res->pids_limit.v >= 0 && res->pids_limit.v <= CGROUP_SD_SLOTS)
		r = set_props(cg, &tasks, err);
	cg->sd->fresh = false;
	cgroup_sd_client_done(&cg->sd->client);
	return r;
}

static bool is_there(const struct joey_cgroup *cg, uint64_t inode)
{
	struct stat st;
	autoclose int fd = cgroup_opendir_at(cg->mnt_fd, unit_path(cg) + 1, O_PATH);

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == inode;
}

static int stop_unit(struct joey_cgroup *cg, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	int r;

	joey_str_printf(&s, "stop %s", cg->sd->name.unit);
	if (s.failed)
		return joey_err_sys(err, ENOMEM, "systemd: stop %s", cg->sd->name.unit);
	r = cgroup_sd_client_start(&cg->sd->client, cg->sd->user, cg->sd->uid, err);
	return r < 0 ? r : cgroup_sd_client_ask(&cg->sd->client, s.buf, s.len, NULL, err);
}

/* Takes the container's cgroup out of the scope's.  *ret: the inode of what is left, 0 for nothing. */
static int leave_subgroup(struct joey_cgroup *cg, uint64_t *ret)
{
	struct stat st;
	int fd, r = cgroup_parent_open(cg, &fd);

	*ret = 0;
	if (r < 0)
		return cgroup_gone(r) ? 0 : r;
	/* Removed and made again by someone else: then the scope is not ours either. */
	if (fstatat(fd, cgroup_leaf(cg), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (st.st_ino != cg->inode)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = cgroup_cgroupfs.remove(cg);
	if (r == 0)
		*ret = st.st_ino;
	return cgroup_gone(r) ? 0 : r;
}

/* What systemd has left of the scope, removed below its back. */
static int remove_left(struct joey_cgroup *cg, uint64_t inode)
{
	autofree char *dir = NULL;
	autoclose int fd = -EBADF;
	const char *path = unit_path(cg), *leaf = strrchr(path, '/') + 1;

	if (!cg->sd->unit_path)
		return is_there(cg, inode) ? cgroup_cgroupfs.remove(cg) : 0;
	dir = strndup(path, (size_t)(leaf - path));
	if (!dir)
		return -ENOMEM;
	fd = cgroup_opendir_at(cg->mnt_fd, dir[1] ? dir + 1 : ".", O_PATH);
	if (fd < 0)
		return cgroup_gone(fd) ? 0 : fd;
	if (is_there(cg, inode) && unlinkat(fd, leaf, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/*
 * Most often systemd has seen the scope run empty and has taken it away: then nothing is to be asked of it.  It must
 * not be removed behind systemd's back: the unit would stay "running" for ever.
 */
static int systemd_remove(struct joey_cgroup *cg)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	uint64_t inode = cg->inode;
	bool busy = false;
	unsigned ms = 1;
	int r = joey_cgroup_is_populated(cg, &busy);

	if (r < 0 || busy)
		return r < 0 ? r : -EBUSY;
	r = from_path(cg, &err);
	if (r == 0 && cg->sd->unit_path)
		r = leave_subgroup(cg, &inode);
	if (r < 0)
		return r;
	for (; is_there(cg, inode); ms *= 2) {
		if (ms > COLLECT_WAIT_MS)
			break;
		cgroup_sleep_ms(ms);
	}
	if (!is_there(cg, inode))
		return 0;
	r = stop_unit(cg, &err);
	cgroup_sd_client_done(&cg->sd->client);
	if (r < 0)
		joey_warn("%s; %s%s is removed without systemd", joey_err_text(&err), cg->mount, unit_path(cg));
	return remove_left(cg, inode);
}

const struct cgroup_driver cgroup_systemd = {
	.locate = systemd_locate,
	.annotate = systemd_annotate,
	.create = systemd_create,
	.announce = systemd_announce,
	.add = systemd_add,
	.remove = systemd_remove,
	.done = systemd_done,
};

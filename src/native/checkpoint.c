/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoint: the request for a dump or pre-dump.  What init has as 0-2 is read now, not recorded at create: that costs
 * a create nothing, and is what the images are going to refer to.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "joey/log.h"
#include "joey/mountinfo.h"
#include "native/criu.h"

struct dump {
	struct joey_container *c;
	const struct joey_checkpoint *args;
	int host_proc_fd;
	int status_fd;
};

/* ---- standard streams ------------------------------------------------------------------------------------------- */

struct mount_ids {
	int wanted;
};

static int on_mount(const struct joey_mountinfo *m, void *arg)
{
	return m->id == ((struct mount_ids *)arg)->wanted;
}

static int mount_id_of(const struct dump *d, int n, int *ret)
{
	autofree char *text = NULL;
	char name[48], *line;
	uint32_t id;
	int r;

	snprintf(name, sizeof(name), "%d/fdinfo/%d", (int)d->c->state.pid, n);
	r = joey_read_file_at(d->host_proc_fd, name, 0, 4096, &text, NULL);
	if (r < 0)
		return r;
	line = strstr(text, "mnt_id:");
	if (!line)
		return -ENOENT;
	line += strlen("mnt_id:");
	line += strspn(line, " \t");
	line[strcspn(line, "\n")] = '\0';
	r = joey_parse_u32(line, &id);
	*ret = (int)id;
	return r;
}

/* A file of the host (output redirected to a log): CRIU needs its name by mount and inode. */
static int name_outer_file(const struct dump *d, int n, const struct stat *st, char **ret)
{
	struct mount_ids ids = { 0 };
	char file[48];
	int r = mount_id_of(d, n, &ids.wanted);

	if (r < 0)
		return r;
	snprintf(file, sizeof(file), "/proc/%d/mountinfo", (int)d->c->state.pid);
	r = joey_mountinfo_each(file, on_mount, &ids);
	if (r != 0)
		return r < 0 ? r : 0; /* it is the container's own */
	return asprintf(ret, "file[%x:%jx]", (unsigned)ids.wanted, (uintmax_t)st->st_ino) < 0 ? -ENOMEM : 1;
}

static int name_stream(const struct dump *d, int n, struct criu_stdio *s, struct joey_str *opts)
{
	char name[48], text[CRIU_STDIO_MAX];
	autofree char *outer = NULL;
	struct stat st;
	ssize_t len;

	snprintf(name, sizeof(name), "%d/fd/%d", (int)d->c->state.pid, n);
	len = readlinkat(d->host_proc_fd, name, text, sizeof(text) - 1);
	if (len < 0)
		return errno == ENOENT ? 0 : -errno;
	text[len] = '\0';
	if (fstatat(d->host_proc_fd, name, &st, 0) == 0 &&
	    (S_ISREG(st.st_mode) || (S_ISFIFO(st.st_mode) && text[0] == '/'))) {
		int r = name_outer_file(d, n, &st, &outer);

		if (r < 0)
			return r;
	}
	if (outer)
		joey_pb_string(opts, CRIU_O_EXTERNAL, outer);
	s->v[n] = strdup(outer ? outer : text);
	return s->v[n] ? 0 : -ENOMEM;
}

static int save_stdio(const struct dump *d, struct joey_str *opts, struct joey_err *err)
{
	struct criu_stdio s = { { NULL } };
	autofree char *text = NULL;
	int r = 0;

	for (int n = 0; n < CRIU_N_STDIO && r == 0; n++) {
		r = name_stream(d, n, &s, opts);
		if (r < 0)
			r = joey_err_sys(err, r, "find out what descriptor %d of the container is", n);
	}
	if (r == 0)
		r = criu_stdio_text(&s, &text, err);
	criu_stdio_done(&s);
	if (r < 0)
		return r;
	r = joey_replace_file_at(d->args->image->image_fd, "descriptors.json", 0600, text, strlen(text));
	return r < 0 ? joey_err_sys(err, r, "write descriptors.json") : 0;
}

/* ---- the request ------------------------------------------------------------------------------------------------ */

static int add_freezer(const struct dump *d, struct joey_str *opts)
{
	autofree char *path = NULL;
	const char *mount;

	if (!d->c->state.cgroup.path || joey_cgroup2_mountpoint(&mount) < 0)
		return 0;
	if (asprintf(&path, "%s%s", mount, d->c->state.cgroup.path) < 0)
		return -ENOMEM;
	joey_pb_string(opts, CRIU_O_FREEZE_CGROUP, path);
	return 0;
}

static void add_page_server(const struct joey_checkpoint *args, struct joey_str *opts)
{
	autostr struct joey_str ps = JOEY_STR_INIT;

	if (!args->page_server)
		return;
	joey_pb_string(&ps, 1, args->page_server);
	joey_pb_i32(&ps, 2, args->page_server_port);
	joey_pb_message(opts, CRIU_O_PAGE_SERVER, &ps);
}

static int fill(const struct dump *d, struct joey_str *opts, struct joey_err *err)
{
	const struct joey_checkpoint *a = d->args;
	int r = criu_add_image(opts, a->image, a->config, "dump.log", err);

	if (r < 0)
		return r;
	joey_pb_i32(opts, CRIU_O_PID, d->c->state.pid);
	if (a->leave_running || a->pre_dump)
		joey_pb_bool(opts, CRIU_O_LEAVE_RUNNING, true);
	if (a->parent)
		joey_pb_string(opts, CRIU_O_PARENT, a->parent);
	if (a->parent || a->pre_dump)
		joey_pb_bool(opts, CRIU_O_TRACK_MEM, true);
	add_page_server(a, opts);
	if (add_freezer(d, opts) < 0)
		return joey_err_sys(err, ENOMEM, "name the container's cgroup");
	r = criu_add_external(opts, a->config, d->c->state.pid, d->host_proc_fd, err);
	return r < 0 || a->pre_dump ? r : save_stdio(d, opts, err);
}

static int on_notify(void *arg, const struct criu_answer *a, int *fd, struct joey_err *err)
{
	struct dump *d = arg;

	(void)fd;
	(void)err;
	if (!joey_streq(a->script, "status-ready") || d->status_fd < 0)
		return 0;
	if (joey_write_all(d->status_fd, "", 1) < 0)
		joey_warn("cannot write to the descriptor of --status-fd");
	d->status_fd = joey_close(d->status_fd);
	return 0;
}

static int dump(struct dump *d, struct joey_err *err)
{
	autostr struct joey_str opts = JOEY_STR_INIT, request = JOEY_STR_INIT;
	const struct joey_checkpoint *a = d->args;
	const struct criu_call call = {
		.request = &request,
		.log = "dump.log",
		.image = a->image,
		.own_session = true,
		.endless = a->image->lazy_pages,
		.notify = on_notify,
		.arg = d,
	};
	struct criu_answer answer;
	int r = criu_check_version(err);

	if (r == 0 && (a->pre_dump || a->parent || a->image->lazy_pages))
		r = criu_check_features(a->pre_dump || a->parent, a->image->lazy_pages, err);
	if (r == 0)
		r = fill(d, &opts, err);
	if (r < 0)
		return r;
	criu_request(&request, a->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP, &opts);
	return criu_call(&call, &answer, err);
}

int native_checkpoint(struct joey_container *c, const struct joey_checkpoint *args, struct joey_err *err)
{
	struct dump d = { .c = c, .args = args, .host_proc_fd = -EBADF, .status_fd = args->status_fd };
	int r;

	if (!joey_init_is_alive(&c->state))
		return joey_err_set(err, JOEY_EK_STATE, ESRCH, "container not running");
	d.host_proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = d.host_proc_fd < 0 ? joey_err_sys(err, errno, "open the host's procfs") : dump(&d, err);
	joey_close(d.host_proc_fd);
	joey_close(d.status_fd);
	return r;
}
